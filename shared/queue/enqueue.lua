-- Needs lines.lua.
-- Put a job into the queue and its owner's line, and wake one worker; a job that is queued or leased stays as it is.
-- One that is not visible at once is leased, by nobody: some worker may still have it, and has that time to take it
-- back. A worker that holds off after a restart of Redis leaves it alone like any lease (take.lua).
-- KEYS  as lines.lua, then those of the owner's that are announced and not yet enqueued (announce.lua)
-- ARGV  id: of the job
--       owner
--       job_key, and job in arq's format
--       ttl: of the job key, in ms
--       after_ms: ms until it is visible
-- Answers 1 where it was added, else 0.
local id, owner, job_key, job, ttl, after_ms = unpack(ARGV)
local now = now_ms()
local from = digits(now + after_ms)
redis.call('ZREM', KEYS[12], id)
redis.call('PERSIST', queue) -- see append.lua: what was accepted is not refused for want of memory
redis.call('ZADD', pending, 'NX', digits(now), id)
redis.call('SET', job_key, job, 'PX', ttl)
if redis.call('ZADD', queue, 'NX', from, id) == 0 then
  if redis.call('HEXISTS', owners, id) == 0 then
    mend(id, owner) -- an earlier version has enqueued it
  end
  return 0
end
local delayed = tonumber(after_ms) > 0
if delayed then
  redis.call('HSET', leases, id, '')
end
if redis.call('HSETNX', owners, id, owner) == 0 then
  mend(id) -- an earlier version has finished it
elseif delayed then
  begin_run(id, owner, from)
else
  join_line(id, owner, from)
end
wake_one()
return 1
