-- Needs lines.lua.
-- Renew a worker's leases, all in one step. A lease that nobody holds is taken back: a Redis that restarted without its
-- last second may have lost it, and with it that the generation is pending. Nor does one hold it whose lease has run
-- out: that Redis may have forgotten who took it since. If that was another than this worker, the log fences this one.
-- KEYS  as lines.lua
-- ARGV  worker
--       lease: in ms
--       and the id of each job
-- Answers the ids that another worker holds.
local worker, lease = unpack(ARGV, 1, 2)
local now = now_ms()
redis.call('PERSIST', queue) -- see append.lua: what runs is never refused for want of memory
local till = digits(now + lease)
local lost = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local holder = redis.call('HGET', leases, id)
  local held = holder and holder ~= '' and holder ~= worker
  if held and tonumber(redis.call('ZSCORE', queue, id) or 0) > now then
    lost[#lost + 1] = id
  else
    if holder ~= worker then
      redis.call('HSET', leases, id, worker)
      redis.call('ZADD', pending, 'NX', digits(now), id)
    end
    redis.call('ZADD', queue, till, id)
    if redis.call('ZADD', leased, till, id) == 1 then
      mend(id)
    end
  end
end
return lost
