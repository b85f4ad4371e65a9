-- Take a place at a provider that has a bound of calls, or wait for one: who has waited longest comes first.
-- KEYS  places (token → ms until which it counts), of calls and of who waits; waiting (token → ms since when it waits)
-- ARGV  token
--       most: calls at most
--       lease: ms for which a token counts unless it is renewed, or asks again
--       waited: ms for which it has waited
-- Answers 1 where it has a place, else 0.
local places, waiting = unpack(KEYS)
local token, most, lease, waited = unpack(ARGV)
local now = now_ms()
local function forget(from, till)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', places, from, till)) do
    redis.call('ZREM', places, gone)
    redis.call('ZREM', waiting, gone)
  end
end
forget('-inf', digits(now))
-- From before the clock was set back; who lives says so again soon.
forget('(' .. digits(now + 2 * lease), '+inf')
redis.call('ZADD', waiting, digits(now - waited), token)
redis.call('ZADD', places, digits(now + lease), token)
local calls = redis.call('ZCARD', places) - redis.call('ZCARD', waiting)
local has_place = calls + redis.call('ZRANK', waiting, token) < tonumber(most)
if has_place then
  redis.call('ZREM', waiting, token)
end
redis.call('PEXPIRE', places, 2 * lease)
redis.call('PEXPIRE', waiting, 2 * lease)
return has_place and 1 or 0
