-- Put a job into the queue and wake one worker; a job that is queued or leased stays as it is.
-- One that is not visible at once is leased, by nobody: some worker may still have it, and has that time to take it
-- back. A worker that holds off after a restart of Redis leaves it alone like any lease (queue_take.lua).
-- KEYS  queue, wake list, pending index, leases
-- ARGV  job id, job key, job (arq's format), TTL of the job key in ms, ms until it is visible
-- Gives 1 if it was added, else 0
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
redis.call('PERSIST', KEYS[1]) -- see append.lua: what was accepted is not refused for want of memory
redis.call('ZADD', KEYS[3], 'NX', now, ARGV[1])
redis.call('SET', ARGV[2], ARGV[3], 'PX', ARGV[4])
if redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', now + ARGV[5]), ARGV[1]) == 0 then
  return 0
end
if tonumber(ARGV[5]) > 0 then
  redis.call('HSET', KEYS[4], ARGV[1], '')
end
-- A wake-up is a hint, and a worker takes all it can at each: a few are as good as one for each job. It may be refused,
-- as any hint, and is then left out; so is what could not be kept short.
if not redis.pcall('LTRIM', KEYS[2], 0, 62).err then
  redis.pcall('LPUSH', KEYS[2], '1')
end
return 1
