-- Keep a conversation for as long as after a turn, and say whether its generations are to be renewed too.
-- KEYS  about, generations, tombstone
-- ARGV  ttl: ms for which it is kept from now on
--       running_ttl: the same, while a turn of it has not ended
--       ended: number up to which all turns have ended, or '' where that is the same
--       tombstone_ttl: ms for which it is known thereafter that there was one
--       slack: ms for which its generations are kept longer than that
--       renewed: ms at which they began to be renewed, to note that it is done; else ''
-- Answers the time (ms) where they are to be renewed, 0 where they are not, -1 where there is no conversation.
local about, generations, tombstone = unpack(KEYS)
local ttl, running_ttl, ended, tombstone_ttl, slack, renewed = unpack(ARGV)
local created, before, last = unpack(redis.call('HMGET', about, 'created', 'renewed', 'last'))
if not created then
  return -1
end
if ended ~= '' and tonumber(last) > tonumber(ended) then
  ttl = running_ttl
end
redis.call('PEXPIRE', about, ttl)
redis.call('PEXPIRE', generations, ttl)
redis.call('PEXPIRE', tombstone, ttl + tombstone_ttl)
if renewed ~= '' then
  redis.call('HSET', about, 'renewed', renewed)
  return 0
end
local now, since = now_ms(), tonumber(before or created)
-- A time ahead of now is from before the clock was set back.
if now - since >= tonumber(slack) or since > now then
  return digits(now)
end
return 0
