-- Give a running generation back, so that the next attempt does not count this one as failed.
-- KEYS  record
-- ARGV  owned: the writer's token
--       reason: of the next attempt
--       bill: data of the cancelled event that would be its end until then, with what was spent, or ''
-- Answers
--   OK            It waits for its next attempt.
--   GONE          There is no record.
--   SEALED seal   The generation has ended, with the event of this id.
--   FENCED token  A later attempt, the one with this token, owns the log.
local record = KEYS[1]
local owned, reason, bill = unpack(ARGV)
local token, seal = unpack(redis.call('HMGET', record, 'token', 'seal'))
local refused = refusal(token, seal, owned)
if refused then
  return refused
end
redis.call('HDEL', record, 'handover', 'bill') -- see append.lua: no write is refused for want of memory
redis.call('HSET', record, 'state', 'queued', 'handover', reason)
if bill ~= '' then
  redis.call('HSET', record, 'bill', bill)
end
return {'OK'}
