-- May this model be called?
-- KEYS  circuit
-- ARGV  ms for which a probe may run, ms for which a circuit is open at most: what is further off is from before the
--       clock was set back
-- Gives closed, open, or probe: then this caller tries it for all others
local c = redis.call('HMGET', KEYS[1], 'until', 'probe')
if not c[1] then
  return 'closed'
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function ahead(time, most)
  return time and now < tonumber(time) and tonumber(time) <= now + most
end
if ahead(c[1], ARGV[2]) or ahead(c[2], ARGV[1]) then
  return 'open'
end
redis.call('HSET', KEYS[1], 'probe', string.format('%.0f', now + ARGV[1]))
return 'probe'
