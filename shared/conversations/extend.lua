-- Keep a generation that has ended for so long at least, as its conversation goes on.
-- KEYS  record, log, tombstone
-- ARGV  ttl: ms
-- Answers 1 where it has ended, 0 where it has not, or is gone.
local record, log, tombstone = unpack(KEYS)
local ttl = tonumber(ARGV[1])
local seal, tombstone_ttl = unpack(redis.call('HMGET', record, 'seal', 'tombstone_ttl'))
if not seal then
  return 0
end
if redis.call('PTTL', record) < ttl then
  redis.call('PEXPIRE', record, ttl)
  redis.call('PEXPIRE', log, ttl)
end
if redis.call('PTTL', tombstone) < ttl + tombstone_ttl then
  redis.call('PEXPIRE', tombstone, ttl + tombstone_ttl)
end
return 1
