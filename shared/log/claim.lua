-- Start an attempt: take the token, fence every older attempt, write the attempt's first event.
-- KEYS  record, log
-- ARGV  owned: the token that must still be the record's, or '' at the start of a job
--       reason: of this attempt, or '' where the record says it
--       rest: what follows number and reason in the JSON of the attempt event
--       ttl: of record and log while the attempt runs, in ms
--       until_ms: the last ms at which this may run, or ''. The claim of a worker that was paused since it took the job
--         must not fence the worker that has the job now.
--       choice: the place of the model in the request's list, 0 for its own and 1 for the first fallback
--       after: the id that the log must still end with, or ''
--       uncounted: '1' where the last attempt does not count as failed, as the provider only refused to continue
--       beside: '1' where another generation on its last attempt is on the same worker (beside.lua)
-- Answers
--   CLAIMED token number last reason elapsed
--                 The caller owns the log by this token, and the first event of an attempt of this number is written,
--                 after the event of the id `last`. The first attempt began `elapsed` ms ago.
--   CANCELLED | EXHAUSTED | INTERRUPTED, each with the same
--                 The caller owns the log, but only to write the terminal event.
--   GONE          There is no record.
--   SEALED seal   The generation has ended, with the event of this id.
--   FENCED token  A later attempt, the one with this token, owns the log.
--   LATE          `until_ms` is over.
--   MOVED         The log ends with another id than `after`.
local record, log = unpack(KEYS)
local owned, reason, rest, ttl, until_ms, choice, after, uncounted, beside = unpack(ARGV)
local token, seal, state, attempts, failures, max_attempts, on_interrupt, handover, cancel, was_beside, pardons =
  unpack(redis.call('HMGET', record, 'token', 'seal', 'state', 'attempts', 'failures', 'max_attempts', 'on_interrupt',
    'handover', 'cancel', 'beside', 'pardons'))
local refused = refusal(token, seal, owned ~= '' and owned)
if refused then
  return refused
end

local now = now_ms()
if until_ms ~= '' and now > tonumber(until_ms) then
  return {'LATE'}
end
local last = last_id(log)
if after ~= '' and after ~= last then
  return {'MOVED'}
end
local new_token = next_token(now, token, last)

local number = tonumber(attempts)
failures, max_attempts, pardons = tonumber(failures), tonumber(max_attempts), tonumber(pardons or 0)
local lost, counted = false, false
if reason == 'fallback' or reason == 'source_lost' then
  counted = false -- the list of models, and how long a run looks for a source, are bounds of their own
elseif reason ~= '' then
  counted = uncounted ~= '1'
elseif state == 'running' then
  -- A new job while the record still says running: nobody handed that attempt over, so its worker is lost.
  reason, lost = 'worker_lost', true
  if was_beside and pardons < max_attempts then
    pardons = pardons + 1 -- it ran beside another that may be to blame
  else
    counted = true
  end
elseif handover then
  reason = handover
else
  -- The first attempt is a fallback already where the circuits of the models before it are open.
  reason = choice == '0' and 'new' or 'fallback'
end

failures = failures + (counted and 1 or 0)
local outcome = 'CLAIMED'
if cancel then
  outcome = 'CANCELLED'
elseif lost and on_interrupt == 'fail' then
  outcome = 'INTERRUPTED'
elseif counted and failures >= max_attempts then
  outcome = 'EXHAUSTED' -- only by a failure: the attempts of further models come when none is left, and may be drained
else
  number = number + 1
end

-- Before what needs memory: see append.lua. A generation can always be ended.
redis.call('PEXPIRE', record, ttl)
redis.call('HSETNX', record, 'started', digits(now))
redis.call('HSET', record, 'token', new_token, 'state', 'running', 'attempts', number, 'failures', failures,
  'choice', choice)
redis.call('HDEL', record, 'handover', 'beside', 'bill')
if beside == '1' then
  redis.call('HSET', record, 'beside', 1)
end
if pardons > 0 then
  redis.call('HSET', record, 'pardons', pardons)
end
if outcome == 'CLAIMED' then
  local id, event = new_token .. '-0', '{"number":' .. number .. ',"reason":"' .. reason .. '",' .. rest
  redis.call('XADD', log, id, 'attempt', event)
  redis.call('PUBLISH', log, last .. ' ' .. id .. '\nattempt\n' .. event)
end
redis.call('PEXPIRE', log, ttl)
local elapsed = now - redis.call('HGET', record, 'started')
return {outcome, new_token, tostring(number), last, reason, digits(elapsed)}
