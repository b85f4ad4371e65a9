-- Note a generation before its record is written, so that the sweeper finds what a crash leaves half-accepted; unless
-- the server, or its owner, has as many as may be. All limits are looked at before anything is taken: what is refused
-- uses up nothing.
-- KEYS  pending index, the owner's index, owners that have one, the owner's line, those of it that are announced and not
--       yet enqueued, the owner's rate, and where its cost is bounded the hashes of what it used on three days
-- ARGV  id: of the generation
--       most: pending generations at most
--       kept_ms: ms after which nothing is left of an announced generation, so that the index of an owner who announces
--         nothing more goes with what it names
--       owner
--       most_queued: the owner's waiting generations at most, or ''
--       per_minute: its requests in a minute at most, or ''
--       budget: what its generations of a day may cost, in 10^-12 USD, or ''
--       first_day: the first of the three days, counted from 1970-01-01
-- Answers  outcome, now, waiting, level, then for REFUSED each of PENDING, QUEUED, RATE and BUDGET that is why.
--       `waiting` are the owner's waiting generations, this one included, or ''. `level` are its requests that count
--       still, this one included, or ''.
--   NEW      It is noted.
--   BEFORE   The pending index had it already, and it counts no second time.
--   REFUSED  It is not noted.
local pending, owner_index, owners, line, announced, rate = unpack(KEYS, 1, 6)
local id, most, kept_ms, owner, most_queued, per_minute, budget, first_day = unpack(ARGV)
-- ms for which an announced generation counts as waiting: it is enqueued at once, unless its node dies.
local ANNOUNCED_MS = 10000
local now = now_ms()
local before = redis.call('ZSCORE', pending, id)

local waiting = ''
if most_queued ~= '' then
  local since, till = digits(now - ANNOUNCED_MS), digits(now + ANNOUNCED_MS)
  waiting = redis.call('ZCARD', line) + redis.call('ZCOUNT', announced, since, till)
end

-- GCRA as a continuous-state leaky bucket (ITU-T I.371, annex A), which holds a minute's requests and leaks as many in a
-- minute. The text has the time and the level then. A clock that was set back leaks nothing for that time.
local level = ''
if per_minute ~= '' then
  local at, then_held = string.match(redis.call('GET', rate) or '', '^(%d+) (%S+)$')
  level = 0
  if at then
    local leaked = math.max(0, now - at) * per_minute / 60000
    level = math.max(0, math.min(tonumber(then_held), tonumber(per_minute)) - leaked)
  end
end

local function spent()
  local day = KEYS[7 + math.floor(now / 86400000) - first_day]
  local sum = 0
  if day then
    for _, part in ipairs(redis.call('HMGET', day, 'cost:USD', 'estimate:USD')) do
      sum = sum + (tonumber(part) or 0)
    end
  end
  return sum
end

local function answer(outcome, ...)
  local shown = level == '' and '' or string.format('%.9f', level)
  return {outcome, digits(now), waiting == '' and '' or digits(waiting), shown, ...}
end

if not before then
  local why = {}
  if redis.call('ZCARD', pending) >= tonumber(most) then
    why[#why + 1] = 'PENDING'
  end
  if waiting ~= '' and waiting >= tonumber(most_queued) then
    why[#why + 1] = 'QUEUED'
  end
  -- What is added up may lack a little; a ms leaks more than that of the largest rate's least part.
  if level ~= '' and level + 1 > per_minute + 0.000001 then
    why[#why + 1] = 'RATE'
  end
  if budget ~= '' and spent() >= tonumber(budget) then
    why[#why + 1] = 'BUDGET'
  end
  if #why > 0 then
    return answer('REFUSED', unpack(why))
  end
end
redis.call('ZREMRANGEBYSCORE', owner_index, '-inf', digits(now - kept_ms))
redis.call('ZADD', pending, 'NX', digits(now), id)
redis.call('ZADD', owner_index, 'NX', digits(now), id)
if redis.call('PTTL', owner_index) < tonumber(kept_ms) then
  redis.call('PEXPIRE', owner_index, kept_ms)
end
redis.call('SADD', owners, owner)
if before then
  return answer('BEFORE')
end
if waiting ~= '' then
  waiting = waiting + 1
  redis.call('ZREMRANGEBYSCORE', announced, '-inf', '(' .. digits(now - ANNOUNCED_MS))
  redis.call('ZADD', announced, digits(now), id)
  redis.call('PEXPIRE', announced, ANNOUNCED_MS)
end
if level ~= '' then
  level = level + 1
  redis.call('SET', rate, digits(now) .. ' ' .. string.format('%.17g', level), 'PX', 60000)
end
return answer('NEW')
