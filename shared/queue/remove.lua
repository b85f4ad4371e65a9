-- Needs lines.lua.
-- Take jobs out of the queue that need no worker any more, as what they were for has ended. One that a worker leases is
-- that worker's to finish, also after its lease has run out. The pending index keeps all of them (finish.lua).
-- KEYS  as lines.lua
-- ARGV  for each job: id, job_key, retry_key
-- Answers how many were taken out.
redis.call('PERSIST', queue) -- see append.lua: what ends is never refused for want of memory
local removed = 0
for i = 1, #ARGV, 3 do
  local id, job_key, retry_key = unpack(ARGV, i, i + 2)
  if redis.call('HEXISTS', leases, id) == 0 and redis.call('ZREM', queue, id) == 1 then
    redis.call('DEL', job_key, retry_key)
    forget(id)
    removed = removed + 1
  end
end
return removed
