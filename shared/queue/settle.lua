-- Let generations go that have ended, or never began, and count what those that are given with numbers have used, once.
-- That one is counted is remembered apart from the pending index, where a repeated POST puts an ended one again.
-- KEYS  pending index, ids that were counted, owners of whom something was counted, then for each generation to count
--       the hash of its owner's day
-- ARGV  the number of ids that the pending index lets go, and these ids, then
--       keep: s for which a day is kept
--       most: models in a day
--       other: name for more of them
--       and for each generation to count
--       id
--       owner
--       keep_ms: ms for which it is remembered
--       count: of its counters
--       and model, counter, how much to add for each
-- Answers the places of those that were counted now, from 0, among those that are given with numbers.
local pending, counted_ids, owners = unpack(KEYS, 1, 3)
local now = now_ms()
-- First of all writes: see append.lua, what ends is never refused for want of memory.
redis.call('ZREMRANGEBYSCORE', counted_ids, '-inf', digits(now))
redis.call('ZREMRANGEBYSCORE', owners, '-inf', digits(now))
local at = 2 + tonumber(ARGV[1])
for i = 2, at - 1 do
  redis.call('ZREM', pending, ARGV[i])
end
local keep, most, other = unpack(ARGV, at, at + 2)
at = at + 3

local function place(day, model)
  if redis.call('HEXISTS', day, 'model ' .. model) == 1 then
    return model
  end
  if tonumber(redis.call('HGET', day, 'models') or 0) >= tonumber(most) then
    return other
  end
  redis.call('HSET', day, 'model ' .. model, '1')
  redis.call('HINCRBY', day, 'models', 1)
  return model
end

local counted = {}
for i = 4, #KEYS do
  local day = KEYS[i]
  local id, owner, keep_ms, count = unpack(ARGV, at, at + 3)
  local counters = at + 4
  at = counters + 3 * count
  if redis.call('ZADD', counted_ids, 'NX', digits(now + keep_ms), id) == 1 then
    counted[#counted + 1] = i - 4
    for j = counters, at - 1, 3 do
      local model, counter, added = unpack(ARGV, j, j + 2)
      -- A number that 64 bits cannot hold must not keep the others from being counted.
      redis.pcall('HINCRBY', day, counter .. ' ' .. place(day, model), added)
      if counter == 'cost:USD' or counter == 'estimate:USD' then
        redis.pcall('HINCRBY', day, counter, added) -- of all models: what announce.lua compares with a budget
      end
    end
    redis.call('EXPIRE', day, keep)
    redis.call('ZADD', owners, digits(now + keep * 1000), owner)
  end
end
return counted
