-- Renew a worker's leases, all in one step. A lease that nobody holds is taken back: a Redis that restarted without its
-- last second may have lost it.
-- KEYS  queue, leases
-- ARGV  worker, lease in ms, job id, …
-- Gives the ids that another worker holds
local clock = redis.call('TIME')
redis.call('PERSIST', KEYS[1]) -- see append.lua: what runs is never refused for want of memory
local till = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[2])
local lost = {}
for i = 3, #ARGV do
  local holder = redis.call('HGET', KEYS[2], ARGV[i])
  if holder and holder ~= '' and holder ~= ARGV[1] then
    lost[#lost + 1] = ARGV[i]
  else
    if holder ~= ARGV[1] then
      redis.call('HSET', KEYS[2], ARGV[i], ARGV[1])
    end
    redis.call('ZADD', KEYS[1], till, ARGV[i])
  end
end
return lost
