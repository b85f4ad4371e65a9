-- Note a generation before its record is written, so that the sweeper finds what a crash leaves half-accepted.
-- KEYS  pending index, the owner's index, owners that have one
-- ARGV  id: of the generation
--       most: pending generations at most
--       kept_ms: ms after which nothing is left of an announced generation, so that the index of an owner who announces
--         nothing more goes with what it names
--       owner
-- Answers
--   NEW     It is noted.
--   BEFORE  The pending index had it already.
--   FULL    As many are pending as may be; it is not noted.
local pending, owner_index, owners = unpack(KEYS)
local id, most, kept_ms, owner = unpack(ARGV)
local announced = redis.call('ZSCORE', pending, id)
if not announced and redis.call('ZCARD', pending) >= tonumber(most) then
  return 'FULL'
end
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', owner_index, '-inf', digits(now - kept_ms))
redis.call('ZADD', pending, 'NX', digits(now), id)
redis.call('ZADD', owner_index, 'NX', digits(now), id)
if redis.call('PTTL', owner_index) < tonumber(kept_ms) then
  redis.call('PEXPIRE', owner_index, kept_ms)
end
redis.call('SADD', owners, owner)
return announced and 'BEFORE' or 'NEW'
