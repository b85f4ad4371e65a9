-- Needs lines.lua.
-- End a job that this worker leases, or give it back to be taken at once: it goes back into its owner's line by its age,
-- before all that came later. The pending index keeps it either way, until the end is known to be on disk: what is
-- pending, but not queued, is the sweeper's.
-- KEYS  as lines.lua
-- ARGV  worker, id of the job, job_key, retry_key
--       how: 'done' or 'back'
-- Answers 1, or 0 where another worker holds it.
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
  forget(id)
else
  redis.call('ZADD', queue, 'XX', digits(now_ms()), id)
  mend(id)
  wake_one()
end
return 1
