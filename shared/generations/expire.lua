-- End a generation that nobody runs, as its deadline is over.
-- KEYS  record, log, tombstone
-- ARGV  data of the failed event; of the cancelled event, for one whose end was asked for; token that must still be the
--       record's, or another attempt has begun since
-- Gives ENDED seal | CLAIMED | SEALED | GONE
local record, log = KEYS[1], KEYS[2]
local r = redis.call('HMGET', record, 'token', 'seal', 'cancel', 'ttl', 'tombstone_ttl', 'bill')
if not r[1] then
  return {'GONE'}
end
if r[2] then
  return {'SEALED'}
end
if r[1] ~= ARGV[3] then
  return {'CLAIMED'}
end
local state, data = 'failed', ARGV[1]
if r[3] then
  state, data = 'cancelled', ARGV[2]
end
if r[6] then
  -- What was spent, as a worker that handed over has left it in the event of a cancel: all that follows `t`.
  local function split(text)
    return (string.find(text, '"t":0,', 1, true))
  end
  data = string.sub(data, 1, split(data) - 1) .. string.sub(r[6], split(r[6]))
end
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local last = newest and newest[1] or '0-0'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local token = string.format('%.0f', math.max(now, r[1] + 1, string.match(last, '^%d+') + 1))
local id = token .. '-0'
redis.call('PEXPIRE', record, r[4]) -- see append.lua: no write is refused for want of memory
redis.call('XADD', log, id, state, data)
redis.call('HSET', record, 'token', token, 'state', state, 'seal', id, 'ended', string.format('%.0f', now))
redis.call('PEXPIRE', log, r[4])
redis.call('PEXPIRE', KEYS[3], r[4] + r[5])
redis.call('PUBLISH', log, last .. ' ' .. id .. '\n' .. state .. '\n' .. data)
return {'ENDED', id}
