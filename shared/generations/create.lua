-- Write a generation's record, once.
-- KEYS  record, tombstone
-- ARGV  TTL of the record in ms, TTL of the tombstone in ms, fingerprint of the request, field, value, …
-- Gives CREATED created | EXISTS created fingerprint state | GONE
local record, tombstone = KEYS[1], KEYS[2]
local old = redis.call('HMGET', record, 'created', 'fingerprint', 'state')
if old[1] then
  return {'EXISTS', old[1], old[2], old[3]}
end
if redis.call('EXISTS', tombstone) == 1 then
  return {'GONE'}
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local created = string.format('%.0f', now)
redis.call('HSET', record, 'created', created, 'fingerprint', ARGV[3], 'state', 'queued', 'token', '0',
  'attempts', '0', 'failures', '0', unpack(ARGV, 4))
redis.call('PEXPIRE', record, ARGV[1])
-- The tombstone, whose it was and since when, is there from the start and outlives the record: what remains of an
-- expired generation needs no event.
redis.call('SET', tombstone, redis.call('HGET', record, 'owner') .. '\n' .. created, 'PX', ARGV[2])
return {'CREATED', created}
