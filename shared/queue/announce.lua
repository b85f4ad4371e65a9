-- Note a generation before its record is written, so that the sweeper finds what a crash leaves half-accepted.
-- KEYS  pending index, the owner's index, owners that have one
-- ARGV  generation id, most pending generations, ms after which nothing is left of an announced generation, so that the
--       index of an owner who announces nothing more goes with what it names; owner
-- Gives NEW | BEFORE where the pending index has it already | FULL
local announced = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not announced and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 'FULL'
end
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - ARGV[3]))
redis.call('ZADD', KEYS[1], 'NX', now, ARGV[1])
redis.call('ZADD', KEYS[2], 'NX', now, ARGV[1])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
redis.call('SADD', KEYS[3], ARGV[4])
return announced and 'BEFORE' or 'NEW'
