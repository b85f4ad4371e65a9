-- Give a conversation a title.
-- KEYS  about
-- ARGV  title
-- Answers 1 where it is done, 0 where there is no such conversation (any more).
local about, title = KEYS[1], ARGV[1]
if redis.call('HEXISTS', about, 'created') == 0 then
  return 0
end
redis.call('HSET', about, 'title', title)
return 1
