-- Give a running generation back, so that the next attempt does not count this one as failed.
-- KEYS  record
-- ARGV  token, reason that the next attempt will show, data of the cancelled event that would be its end until then, with
--       what was spent, or ''
-- Gives OK | FENCED token | SEALED seal | GONE
local r = redis.call('HMGET', KEYS[1], 'token', 'seal')
if not r[1] then
  return {'GONE'}
end
if r[2] then
  return {'SEALED', r[2]}
end
if r[1] ~= ARGV[1] then
  return {'FENCED', r[1]}
end
redis.call('HDEL', KEYS[1], 'handover', 'bill') -- see append.lua: no write is refused for want of memory
redis.call('HSET', KEYS[1], 'state', 'queued', 'handover', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'bill', ARGV[3])
end
return {'OK'}
