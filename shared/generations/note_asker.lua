-- Note how an asker of a generation stands: once connected, and once broken or answered.
-- KEYS  askers (generation → began, asker, state and counts, with a space between any two)
-- ARGV  generation
--       asker: whose connection this is about
--       state: connected, broken or answered
--       counts: of the retries that have joined, with commas; used where nothing is noted of the generation
--       keep_ms: ms to keep all of it
--       answered_ms: ms to keep it once all are answered
--       most: generations that are noted at most
-- Answers 1 where it is noted, or 0 where another has joined since, or this one's end was noted.
local askers = KEYS[1]
local generation, asker, state, counts, keep_ms, answered_ms, most = unpack(ARGV)
local old, began = redis.call('HGET', askers, generation), nil
if old then
  local old_began, old_asker, old_state, old_counts = string.match(old, '^(%d+) (%S+) (%S+) ?(%S*)$')
  if old_asker ~= asker or old_state ~= 'connected' then
    return 0
  end
  began, counts = old_began, old_counts
end

-- The first write needs no memory: see append.lua. How one ended is always noted.
redis.call('PEXPIRE', askers, keep_ms)
if not old then
  local all, newest, oldest, oldest_is_answered = redis.call('HGETALL', askers), 0, nil, false
  for i = 1, #all, 2 do
    local text, other_state = string.match(all[i + 1], '^(%d+) %S+ (%S+)')
    local other, is_answered = tonumber(text or 0), other_state == 'answered'
    newest = math.max(newest, other)
    -- An answered one is joined no more, so it goes first.
    if not oldest or (is_answered and not oldest_is_answered)
      or (is_answered == oldest_is_answered and other < oldest.began) then
      oldest, oldest_is_answered = {generation = all[i], began = other}, is_answered
    end
  end
  if #all / 2 >= tonumber(most) then
    redis.call('HDEL', askers, oldest.generation)
  end
  began = digits(math.max(now_ms(), newest + 1)) -- in order also where the clock was set back
end
redis.call('HSET', askers, generation, table.concat({began, asker, state, counts}, ' '))
redis.call('PEXPIRE', askers, keep_ms)
if state == 'answered' then
  for _, other in ipairs(redis.call('HVALS', askers)) do
    if not string.find(other, '^%d+ %S+ answered') then
      return 1
    end
  end
  redis.call('PEXPIRE', askers, answered_ms)
end
return 1
