-- May this model be called?
-- KEYS  circuit
-- ARGV  ms for which a probe may run
-- Gives closed, open, or probe: then this caller tries it for all others
local c = redis.call('HMGET', KEYS[1], 'until', 'probe')
if not c[1] then
  return 'closed'
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if now < tonumber(c[1]) or (c[2] and now < tonumber(c[2])) then
  return 'open'
end
redis.call('HSET', KEYS[1], 'probe', string.format('%.0f', now + ARGV[1]))
return 'probe'
