-- Note that a generation belongs to a conversation, once; it is the last of it so far.
-- KEYS  about, generations, tombstone
-- ARGV  id: of the generation
--       conversation: as its caller names it
--       owner
--       title: of the conversation, where this is its first
--       ttl: ms for which it is kept from now on
--       tombstone_ttl: ms for which it is known that there was one
--       most: generations that it may have
--       wanted: the number that it had before Redis lost it, or 0 for the next
--       accepted: when it was accepted (ms), of one that may have been deleted since with its conversation; else ''
--       run: of Redis, where the generation is accepted now; else ''
-- Answers outcome, number, now
--   NEW     It is the one of this number.
--   BEFORE  It was noted before, with this number; only the times are renewed.
--   FULL    There are as many as may be; it is not noted.
--   GONE    The conversation was deleted after it was accepted; it is not noted.
local about, generations, tombstone = unpack(KEYS)
local id, conversation, owner, title, ttl, tombstone_ttl, most, wanted, accepted, run =
  unpack(ARGV)
local now = digits(now_ms())
local buried = redis.call('GET', tombstone)
local deleted = buried and string.match(buried, '\n(%d+)$')
if deleted and accepted ~= '' and tonumber(accepted) <= tonumber(deleted) then
  return {'GONE', 0, now}
end
local before = redis.call('ZSCORE', generations, id)
local outcome, number = 'BEFORE', before
if not before then
  if redis.call('ZCARD', generations) >= tonumber(most) then
    return {'FULL', 0, now}
  end
  local last = tonumber(redis.call('HGET', about, 'last') or 0)
  outcome, number = 'NEW', tonumber(wanted)
  if number == 0 or redis.call('ZCOUNT', generations, number, number) > 0 then
    number = last + 1
  end
  redis.call('ZADD', generations, number, id)
  if redis.call('HSETNX', about, 'created', now) == 1 then
    redis.call('HSET', about, 'id', conversation, 'owner', owner, 'title', title)
  end
  redis.call('HSET', about, 'updated', now, 'last', math.max(last, number))
  if run ~= '' then
    redis.call('HSET', about, 'run', run)
  end
end
redis.call('PEXPIRE', about, ttl)
redis.call('PEXPIRE', generations, ttl)
-- It keeps since when an earlier one of this name is deleted.
redis.call('SET', tombstone, buried or owner, 'PX', tombstone_ttl)
if not before then
  redis.call('PUBLISH', about, id)
end
return {outcome, number, now}
