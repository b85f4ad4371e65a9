-- Remove a generation's content at once; the tombstone stays.
-- KEYS  record, log, tombstone
-- Gives 1 if there was something to remove, else 0
local owner = redis.call('HMGET', KEYS[1], 'owner', 'tombstone_ttl')
if not owner[1] then
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[3], owner[1], 'PX', owner[2])
redis.call('PUBLISH', KEYS[2], 'deleted')
return 1
