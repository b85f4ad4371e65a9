-- Make a new API key for the owner of an old one, and end the old one: at once, or after a while.
-- KEYS  keys (id → ms of its last use)
--       old (hash: digest, owner, scopes, created; where it expires: expires, lasts)
--       new
-- ARGV  old_id
--       new_id
--       digest: of the new key
--       keep_ms: ms for which the old one is good still, or 0
-- Answers 1, or 0 where there is no old one. The new one is good for as long as the old one was once made for (lasts).
local keys, old, new = unpack(KEYS)
local old_id, new_id, digest, keep_ms = unpack(ARGV)
if redis.call('HEXISTS', new, 'digest') == 1 then
  return 1 -- the reply to the first try was lost
end
local owner, scopes, expires, lasts = unpack(redis.call('HMGET', old, 'owner', 'scopes', 'expires', 'lasts'))
if not owner then
  return 0
end

local now = now_ms()
redis.call('HSET', new, 'digest', digest, 'owner', owner, 'scopes', scopes, 'created', digits(now))
if lasts then
  redis.call('HSET', new, 'expires', digits(now + lasts), 'lasts', lasts)
  redis.call('PEXPIRE', new, lasts)
end
redis.call('ZADD', keys, 'NX', 0, new_id)
keep_ms = tonumber(keep_ms)
if keep_ms == 0 then
  redis.call('DEL', old)
  redis.call('ZREM', keys, old_id)
elseif not expires or now + keep_ms < tonumber(expires) then
  redis.call('HSET', old, 'expires', digits(now + keep_ms))
  redis.call('PEXPIRE', old, digits(keep_ms))
end
return 1
