-- Note when generations are due, so many ms from now.
-- KEYS  due (sorted set: ids by the ms when they are due)
-- ARGV  id and ms for each
-- Answers nothing.
local due, now = KEYS[1], now_ms()
redis.call('PERSIST', due) -- the first write needs no memory: see append.lua
for i = 1, #ARGV, 2 do
  redis.call('ZADD', due, digits(now + ARGV[i + 1]), ARGV[i])
end
