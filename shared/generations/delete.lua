-- Remove a generation's content at once; the tombstone stays.
-- KEYS  record, log, tombstone
-- Answers 1 where there was something to remove, else 0.
local record, log, tombstone = unpack(KEYS)
local owner, created, tombstone_ttl = unpack(redis.call('HMGET', record, 'owner', 'created', 'tombstone_ttl'))
if not owner then
  return 0
end
redis.call('DEL', record, log)
redis.call('SET', tombstone, owner .. '\n' .. created, 'PX', tombstone_ttl)
redis.call('PUBLISH', log, 'deleted')
return 1
