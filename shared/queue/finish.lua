-- End a job that this worker leases, or give it back to be taken at once. The pending index keeps it either way, until
-- the end is known to be on disk: what is pending, but not queued, is the sweeper's.
-- KEYS  queue, leases, wake list
-- ARGV  worker, id of the job, job_key, retry_key
--       how: 'done' or 'back'
-- Answers 1, or 0 where another worker holds it.
local queue, leases, wake = unpack(KEYS)
local worker, id, job_key, retry_key, how = unpack(ARGV)
local holder = redis.call('HGET', leases, id)
if holder and holder ~= '' and holder ~= worker then
  return 0
end
redis.call('PERSIST', queue) -- see append.lua: what runs is never refused for want of memory
redis.call('HDEL', leases, id)
redis.call('DEL', retry_key)
if how == 'done' then
  redis.call('ZREM', queue, id)
  redis.call('DEL', job_key)
else
  redis.call('ZADD', queue, 'XX', digits(now_ms()), id)
  if not redis.pcall('LTRIM', wake, 0, 62).err then -- a hint: see enqueue.lua
    redis.pcall('LPUSH', wake, '1')
  end
end
return 1
