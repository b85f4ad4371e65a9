-- Begin to delete a conversation: nobody finds it from now on, and its generations are those to delete.
-- KEYS  about, generations, tombstone, buried (generations to delete, by number)
-- ARGV  owner
--       tombstone_ttl: ms for which it is known that there was one
--       created: ms at which it must have begun, or another was begun since under its name; '' for any
--       last: the last number to delete, or '' for all. With later ones the conversation goes on.
-- Answers created, last
--   of what is deleted; 0 and 0 where there is no such conversation (any more).
local about, generations, tombstone, buried = unpack(KEYS)
local owner, tombstone_ttl, created, last = unpack(ARGV)
local began, newest = unpack(redis.call('HMGET', about, 'created', 'last'))
if not began or (created ~= '' and created ~= began) then
  return {0, 0}
end
last = last == '' and newest or last
redis.call('PEXPIRE', about, redis.call('PTTL', about)) -- the first write needs no memory: see append.lua
local ids = redis.call('ZRANGEBYSCORE', generations, '-inf', last)
for number, id in ipairs(ids) do
  redis.call('ZADD', buried, number, id)
  redis.call('ZREM', generations, id)
end
redis.call('PEXPIRE', buried, tombstone_ttl)
if redis.call('ZCARD', generations) == 0 then
  redis.call('DEL', about)
  redis.call('SET', tombstone, owner .. '\n' .. digits(now_ms()), 'PX', tombstone_ttl)
  redis.call('PUBLISH', about, 'deleted')
end
return {began, last}
