-- Renew a worker's leases, all in one step. A lease that nobody holds is taken back: a Redis that restarted without its
-- last second may have lost it, and with it that the generation is pending. Nor does one hold it whose lease has run
-- out: that Redis may have forgotten who took it since. If that was another than this worker, the log fences this one.
-- KEYS  queue, leases, pending index
-- ARGV  worker, lease in ms, job id, …
-- Gives the ids that another worker holds
local clock = redis.call('TIME')
redis.call('PERSIST', KEYS[1]) -- see append.lua: what runs is never refused for want of memory
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local till = string.format('%.0f', now + ARGV[2])
local lost = {}
for i = 3, #ARGV do
  local holder = redis.call('HGET', KEYS[2], ARGV[i])
  local held = holder and holder ~= '' and holder ~= ARGV[1]
  if held and tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or 0) > now then
    lost[#lost + 1] = ARGV[i]
  else
    if holder ~= ARGV[1] then
      redis.call('HSET', KEYS[2], ARGV[i], ARGV[1])
      redis.call('ZADD', KEYS[3], 'NX', string.format('%.0f', now), ARGV[i])
    end
    redis.call('ZADD', KEYS[1], till, ARGV[i])
  end
end
return lost
