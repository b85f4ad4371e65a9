-- May this model be called?
-- KEYS  circuit
-- ARGV  probe_ms: for which a probe may run
--       longest_ms: for which a circuit is open at most. What is further off is from before the clock was set back.
-- Answers
--   closed  It may.
--   open    It may not.
--   probe   It may, and this caller tries it for all others.
local circuit = KEYS[1]
local probe_ms, longest_ms = unpack(ARGV)
local open_until, probe_until = unpack(redis.call('HMGET', circuit, 'until', 'probe'))
if not open_until then
  return 'closed'
end
local now = now_ms()
local function ahead(time, most)
  return time and now < tonumber(time) and tonumber(time) <= now + most
end
if ahead(open_until, longest_ms) or ahead(probe_until, probe_ms) then
  return 'open'
end
redis.call('HSET', circuit, 'probe', digits(now + probe_ms))
return 'probe'
