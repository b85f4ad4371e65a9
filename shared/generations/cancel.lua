-- Ask for the end of a generation; one that no worker holds is sealed here and now.
-- KEYS  record, log, tombstone
-- ARGV  data of the cancelled event, unless a worker that handed over has left one; '1' to seal it here, or '' where
--       Redis has just restarted: what looks queued may be running or even completed, on a worker that is about to write
--       that again
-- Gives CANCELLED seal | REQUESTED | SEALED state | GONE
local record, log = KEYS[1], KEYS[2]
local r = redis.call('HMGET', record, 'token', 'seal', 'state', 'ttl', 'tombstone_ttl', 'bill')
if not r[1] then
  return {'GONE'}
end
if r[2] then
  return {'SEALED', r[3]}
end
redis.call('PEXPIRE', KEYS[3], redis.call('PTTL', KEYS[3])) -- see append.lua: no write is refused for want of memory
redis.call('HSET', record, 'cancel', '1')
if r[3] ~= 'queued' or ARGV[2] == '' then
  return {'REQUESTED'}
end
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local last = newest and newest[1] or '0-0'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local token = string.format('%.0f', math.max(now, r[1] + 1, string.match(last, '^%d+') + 1))
local id, said = token .. '-0', r[6] or ARGV[1]
redis.call('XADD', log, id, 'cancelled', said)
redis.call('HSET', record, 'token', token, 'state', 'cancelled', 'seal', id, 'ended', string.format('%.0f', now))
redis.call('PEXPIRE', record, r[4])
redis.call('PEXPIRE', log, r[4])
redis.call('PEXPIRE', KEYS[3], r[4] + r[5])
redis.call('PUBLISH', log, last .. ' ' .. id .. '\ncancelled\n' .. said)
return {'CANCELLED', id}
