-- Note how a call ended. A success closes the circuit; enough failures in a row open it, and each failed probe for longer.
-- KEYS  circuit
-- ARGV  '1' for a success, failures that open it, ms within which they must come, ms for which it opens first,
--       ms for which it opens at most
-- Gives the ms for which it has been opened now, or 0
if ARGV[1] == '1' then
  redis.call('DEL', KEYS[1])
  return 0
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local c = redis.call('HMGET', KEYS[1], 'until', 'opened', 'failures', 'since')
local opened = tonumber(c[2] or 0)
if c[1] and now < tonumber(c[1]) and tonumber(c[1]) <= now + ARGV[5] then
  return 0 -- of a call that began before
end
local failures, since = tonumber(c[3] or 0) + 1, tonumber(c[4] or now)
if math.abs(now - since) > tonumber(ARGV[3]) then
  failures, since = 1, now
end
local open = 0
if opened > 0 or failures >= tonumber(ARGV[2]) then
  open = math.min(ARGV[4] * 2 ^ opened, tonumber(ARGV[5]))
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + open), 'opened', opened + 1)
end
redis.call('HDEL', KEYS[1], 'probe')
redis.call('HSET', KEYS[1], 'failures', failures, 'since', string.format('%.0f', since))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', 2 * ARGV[5] + ARGV[3]))
return string.format('%.0f', open)
