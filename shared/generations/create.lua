-- Write a generation's record, once.
-- KEYS  record, tombstone
-- ARGV  ttl: of the record, in ms
--       tombstone_ttl: of the tombstone, in ms
--       fingerprint: of the request
--       told: when it was accepted, in ms, of one that Redis has lost and its caller was told of; else 0
--       and name, value for each further field
-- Answers
--   CREATED created                   It is written, at this time in ms.
--   EXISTS created fingerprint state  There was one, with these fields.
--   GONE                              Of this id only the tombstone is left: it was deleted or has expired.
local record, tombstone = unpack(KEYS)
local ttl, tombstone_ttl, fingerprint, told = unpack(ARGV, 1, 4)
local old_created, old_fingerprint, old_state = unpack(redis.call('HMGET', record, 'created', 'fingerprint', 'state'))
if old_created then
  return {'EXISTS', old_created, old_fingerprint, old_state}
end
if redis.call('EXISTS', tombstone) == 1 then
  return {'GONE'}
end
local created = told
if told == '0' then
  created = digits(now_ms())
end
redis.call('HSET', record, 'created', created, 'fingerprint', fingerprint, 'state', 'queued', 'token', '0',
  'attempts', '0', 'failures', '0', unpack(ARGV, 5))
redis.call('PEXPIRE', record, ttl)
-- The tombstone, whose it was and since when, is there from the start and outlives the record: what remains of an
-- expired generation needs no event.
redis.call('SET', tombstone, redis.call('HGET', record, 'owner') .. '\n' .. created, 'PX', tombstone_ttl)
return {'CREATED', created}
