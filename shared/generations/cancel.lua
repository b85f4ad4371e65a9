-- Ask for the end of a generation; one that no worker holds is sealed here and now.
-- KEYS  record, log, tombstone
-- ARGV  cancelled: data of the cancelled event, unless a worker that handed over has left one
--       seals: '1' to seal it here. '' where Redis has just restarted: what looks queued may be running or even
--         completed, on a worker that is about to write that again.
-- Answers
--   CANCELLED seal attempts  It is sealed now, by the event of this id, after so many attempts.
--   REQUESTED                Its worker is to end it.
--   SEALED state             It had ended before, in this state.
--   GONE                     There is no record.
local record, log, tombstone = unpack(KEYS)
local cancelled, seals = unpack(ARGV)
local token, seal, state, ttl, tombstone_ttl, bill, attempts = unpack(
  redis.call('HMGET', record, 'token', 'seal', 'state', 'ttl', 'tombstone_ttl', 'bill', 'attempts'))
local refused = refusal(token, seal)
if refused then
  return {refused[1], state} -- the caller answers with the state that it ended in
end
-- The first write needs no memory, so that none is refused for want of it: see append.lua.
redis.call('PEXPIRE', tombstone, redis.call('PTTL', tombstone))
redis.call('HSET', record, 'cancel', '1')
if state ~= 'queued' or seals == '' then
  return {'REQUESTED'}
end
local last, now = last_id(log), now_ms()
local new_token = next_token(now, token, last)
local id, data = new_token .. '-0', bill or cancelled
redis.call('XADD', log, id, 'cancelled', data)
redis.call('HSET', record, 'token', new_token, 'state', 'cancelled', 'seal', id, 'ended', digits(now))
redis.call('PEXPIRE', record, ttl)
redis.call('PEXPIRE', log, ttl)
redis.call('PEXPIRE', tombstone, ttl + tombstone_ttl)
redis.call('PUBLISH', log, last .. ' ' .. id .. '\ncancelled\n' .. data)
return {'CANCELLED', id, attempts}
