-- Remove a generation's content at once; the tombstone stays.
-- KEYS  record, log, tombstone
-- Gives 1 if there was something to remove, else 0
local r = redis.call('HMGET', KEYS[1], 'owner', 'created', 'tombstone_ttl')
if not r[1] then
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[3], r[1] .. '\n' .. r[2], 'PX', r[3])
redis.call('PUBLISH', KEYS[2], 'deleted')
return 1
