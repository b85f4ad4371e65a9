-- Append a batch to the log if the writer still owns it and continues exactly where the log ends.
-- KEYS  record, log, tombstone
-- ARGV  token, last id that this batch continues from, seq of its first event, number of the attempt,
--       terminal state or '', TTL to renew in ms or 0, then type, data for each event
-- Gives OK cancel-requested | FENCED token | SEALED seal | GONE | MISMATCH last-id
local record, log = KEYS[1], KEYS[2]
local token, previous, first = ARGV[1], ARGV[2], tonumber(ARGV[3])
local r = redis.call('HMGET', record, 'token', 'seal', 'cancel')
if not r[1] then
  return {'GONE'}
end
if r[2] then
  return {'SEALED', r[2]}
end
if tonumber(r[1]) > tonumber(token) then
  return {'FENCED', r[1]}
end
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local last = newest and newest[1] or '0-0'
-- A record with an older token came back without its last second, and with it the claim: nobody has claimed since,
-- as a later token is greater. The attempt is restored as a whole, from its first event.
local restore = r[1] ~= token
if last ~= previous or (restore and first ~= 0) then
  return {'MISMATCH', last}
end

local sealing, renewing = ARGV[5] ~= '', ARGV[6] ~= '0'
local keep = (sealing or renewing) and redis.call('HMGET', record, 'ttl', 'tombstone_ttl')
if sealing then
  -- First of all writes: Redis at maxmemory refuses a script's first write if that needs memory, but none after one
  -- that does not. An end is always written.
  redis.call('PEXPIRE', record, keep[1])
  redis.call('PEXPIRE', KEYS[3], keep[1] + keep[2])
elseif renewing then
  redis.call('PEXPIRE', record, ARGV[6])
  redis.call('PEXPIRE', KEYS[3], ARGV[6] + keep[2])
end
if restore then
  redis.call('HSET', record, 'token', token, 'state', 'running', 'attempts', ARGV[4])
  redis.call('HDEL', record, 'handover')
end

local count = (#ARGV - 6) / 2
for i = 0, count - 1 do
  redis.call('XADD', log, token .. '-' .. string.format('%.0f', first + i), ARGV[7 + 2 * i], ARGV[8 + 2 * i])
end
if sealing then
  local clock = redis.call('TIME')
  local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  redis.call('HSET', record, 'state', ARGV[5], 'seal', token .. '-' .. string.format('%.0f', first + count - 1),
    'ended', string.format('%.0f', now))
  redis.call('PEXPIRE', log, keep[1])
elseif renewing then
  redis.call('PEXPIRE', log, ARGV[6])
end
redis.call('PUBLISH', log, previous .. ' ' .. token .. '-' .. ARGV[3] .. '\n' .. table.concat(ARGV, '\n', 7))
return {'OK', r[3] and '1' or '0'}
