-- Put a job into the queue and wake one worker; a job that is queued or leased stays as it is.
-- One that is not visible at once is leased, by nobody: some worker may still have it, and has that time to take it
-- back. A worker that holds off after a restart of Redis leaves it alone like any lease (take.lua).
-- KEYS  queue, wake list, pending index, leases
-- ARGV  id: of the job
--       job_key, and job in arq's format
--       ttl: of the job key, in ms
--       after_ms: ms until it is visible
-- Answers 1 where it was added, else 0.
local queue, wake, pending, leases = unpack(KEYS)
local id, job_key, job, ttl, after_ms = unpack(ARGV)
local now = now_ms()
redis.call('PERSIST', queue) -- see append.lua: what was accepted is not refused for want of memory
redis.call('ZADD', pending, 'NX', digits(now), id)
redis.call('SET', job_key, job, 'PX', ttl)
if redis.call('ZADD', queue, 'NX', digits(now + after_ms), id) == 0 then
  return 0
end
if tonumber(after_ms) > 0 then
  redis.call('HSET', leases, id, '')
end
-- A wake-up is a hint, and a worker takes all it can at each: a few are as good as one for each job. It may be refused,
-- as any hint, and is then left out; so is what could not be kept short.
if not redis.pcall('LTRIM', wake, 0, 62).err then
  redis.pcall('LPUSH', wake, '1')
end
return 1
