-- Note how a call ended. A success closes the circuit; enough failures in a row open it, each failed probe for longer.
-- KEYS  circuit
-- ARGV  success: '1', or '' for a failure
--       enough: failures that open it
--       window_ms: within which they must come
--       pause_ms: for which it opens first
--       longest_ms: for which it opens at most
-- Answers the ms for which it has been opened now, or 0.
local circuit = KEYS[1]
local success, enough, window_ms, pause_ms, longest_ms = unpack(ARGV)
if success == '1' then
  redis.call('DEL', circuit)
  return 0
end
local now = now_ms()
local open_until, opened, failures, since = unpack(
  redis.call('HMGET', circuit, 'until', 'opened', 'failures', 'since'))
if open_until and now < tonumber(open_until) and tonumber(open_until) <= now + longest_ms then
  return 0 -- of a call that began before
end
opened, failures, since = tonumber(opened or 0), tonumber(failures or 0) + 1, tonumber(since or now)
if math.abs(now - since) > tonumber(window_ms) then
  failures, since = 1, now
end
local open_ms = 0
if opened > 0 or failures >= tonumber(enough) then
  open_ms = math.min(pause_ms * 2 ^ opened, tonumber(longest_ms))
  redis.call('HSET', circuit, 'until', digits(now + open_ms), 'opened', opened + 1)
end
redis.call('HDEL', circuit, 'probe')
redis.call('HSET', circuit, 'failures', failures, 'since', digits(since))
redis.call('PEXPIRE', circuit, digits(2 * longest_ms + window_ms))
return digits(open_ms)
