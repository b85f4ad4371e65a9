-- End a job that this worker leases, or give it back to be taken at once. The pending index keeps it either way, until
-- the end is known to be on disk: what is pending, but not queued, is the sweeper's.
-- KEYS  queue, leases, wake list
-- ARGV  worker, job id, job key, retry key, 'done' or 'back'
-- Gives 1, or 0 if another worker holds it
local holder = redis.call('HGET', KEYS[2], ARGV[2])
if holder and holder ~= '' and holder ~= ARGV[1] then
  return 0
end
redis.call('PERSIST', KEYS[1]) -- see append.lua: what runs is never refused for want of memory
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('DEL', ARGV[4])
if ARGV[5] == 'done' then
  redis.call('ZREM', KEYS[1], ARGV[2])
  redis.call('DEL', ARGV[3])
else
  local clock = redis.call('TIME')
  redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)), ARGV[2])
  if not redis.pcall('LTRIM', KEYS[3], 0, 62).err then -- a hint: see queue_enqueue.lua
    redis.pcall('LPUSH', KEYS[3], '1')
  end
end
return 1
