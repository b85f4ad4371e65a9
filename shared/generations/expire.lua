-- End a generation that nobody runs, as its deadline is over.
-- KEYS  record, log, tombstone
-- ARGV  failed: data of the failed event
--       cancelled: data of the cancelled event, for one whose end was asked for
--       seen: the token that must still be the record's, or another attempt has begun since
-- Answers
--   ENDED seal    It is sealed now, by the event of this id.
--   GONE          There is no record.
--   SEALED seal   It had ended before, with the event of this id.
--   FENCED token  Another attempt, the one with this token, has begun.
local record, log, tombstone = unpack(KEYS)
local failed, cancelled, seen = unpack(ARGV)
local token, seal, cancel, ttl, tombstone_ttl, bill = unpack(
  redis.call('HMGET', record, 'token', 'seal', 'cancel', 'ttl', 'tombstone_ttl', 'bill'))
local refused = refusal(token, seal, seen)
if refused then
  return refused
end
local state, data = 'failed', failed
if cancel then
  state, data = 'cancelled', cancelled
end
if bill then
  -- What was spent, as a worker that handed over has left it in the event of a cancel: all that follows `t`.
  local function split(text)
    return (string.find(text, '"t":0,', 1, true))
  end
  data = string.sub(data, 1, split(data) - 1) .. string.sub(bill, split(bill))
end
local last, now = last_id(log), now_ms()
local new_token = next_token(now, token, last)
local id = new_token .. '-0'
redis.call('PEXPIRE', record, ttl) -- see append.lua: no write is refused for want of memory
redis.call('XADD', log, id, state, data)
redis.call('HSET', record, 'token', new_token, 'state', state, 'seal', id, 'ended', digits(now))
redis.call('PEXPIRE', log, ttl)
redis.call('PEXPIRE', tombstone, ttl + tombstone_ttl)
redis.call('PUBLISH', log, last .. ' ' .. id .. '\n' .. state .. '\n' .. data)
return {'ENDED', id}
