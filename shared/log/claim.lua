-- Start an attempt: take the token, fence every older attempt, write the attempt's first event.
-- KEYS  record, log
-- ARGV  token that must still be the record's ('' at the start of a job), reason ('' lets the record say),
--       rest of the attempt event's JSON, TTL while running in ms, last ms at which this may run or '': the claim of a
--       worker that was paused since it took the job must not fence the one that has it now; place of the model in the
--       request's list, 0 for its own and 1 for the first fallback; id that the log must still end with, or '';
--       '1' where the last attempt does not count as failed, as the provider only refused to continue;
--       '1' where another generation on its last attempt is on the same worker (beside.lua)
-- Gives CLAIMED, CANCELLED, EXHAUSTED or INTERRUPTED, each with token, number, last id, reason and the
--       ms since the first attempt began
--       | SEALED seal | FENCED token | GONE | LATE | MOVED
-- After CANCELLED, EXHAUSTED and INTERRUPTED the caller owns the log too, but only to write the terminal event.
local record, log = KEYS[1], KEYS[2]
local r = redis.call('HMGET', record, 'token', 'seal', 'state', 'attempts', 'failures', 'max_attempts',
  'on_interrupt', 'handover', 'cancel', 'beside', 'pardons')
if not r[1] then
  return {'GONE'}
end
if r[2] then
  return {'SEALED', r[2]}
end
if ARGV[1] ~= '' and ARGV[1] ~= r[1] then
  return {'FENCED', r[1]}
end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[5] ~= '' and now > tonumber(ARGV[5]) then
  return {'LATE'}
end
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local last = newest and newest[1] or '0-0'
if ARGV[7] ~= '' and ARGV[7] ~= last then
  return {'MOVED'}
end
local token = string.format('%.0f', math.max(now, r[1] + 1, string.match(last, '^%d+') + 1))

local number, failures = tonumber(r[4]), tonumber(r[5])
local reason = ARGV[2]
local lost, counted, pardons = false, false, tonumber(r[11] or 0)
if reason == 'fallback' or reason == 'source_lost' then
  counted = false -- the list of models, and how long a run looks for a source, are bounds of their own
elseif reason ~= '' then
  counted = ARGV[8] ~= '1'
elseif r[3] == 'running' then
  -- A new job while the record still says running: nobody handed that attempt over, so its worker is lost.
  reason, lost = 'worker_lost', true
  if r[10] and pardons < tonumber(r[6]) then
    pardons = pardons + 1 -- it ran beside another that may be to blame
  else
    counted = true
  end
elseif r[8] then
  reason = r[8]
else
  -- The first attempt is a fallback already where the circuits of the models before it are open.
  reason = ARGV[6] == '0' and 'new' or 'fallback'
end

failures = failures + (counted and 1 or 0)
local outcome = 'CLAIMED'
if r[9] then
  outcome = 'CANCELLED'
elseif lost and r[7] == 'fail' then
  outcome = 'INTERRUPTED'
elseif counted and failures >= tonumber(r[6]) then
  outcome = 'EXHAUSTED' -- only by a failure: the attempts of further models come when none is left, and may be drained
else
  number = number + 1
end

-- Before what needs memory: see append.lua. A generation can always be ended.
redis.call('PEXPIRE', record, ARGV[4])
redis.call('HSETNX', record, 'started', string.format('%.0f', now))
redis.call('HSET', record, 'token', token, 'state', 'running', 'attempts', number, 'failures', failures,
  'choice', ARGV[6])
redis.call('HDEL', record, 'handover', 'beside', 'bill')
if ARGV[9] == '1' then
  redis.call('HSET', record, 'beside', 1)
end
if pardons > 0 then
  redis.call('HSET', record, 'pardons', pardons)
end
if outcome == 'CLAIMED' then
  local event = '{"number":' .. number .. ',"reason":"' .. reason .. '",' .. ARGV[3]
  redis.call('XADD', log, token .. '-0', 'attempt', event)
  redis.call('PUBLISH', log, last .. ' ' .. token .. '-0\nattempt\n' .. event)
end
redis.call('PEXPIRE', log, ARGV[4])
return {outcome, token, tostring(number), last, reason, string.format('%.0f', now - redis.call('HGET', record, 'started'))}
