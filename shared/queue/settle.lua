-- Let generations go that have ended, or never began, and count what those that are given with numbers have used, once.
-- That a generation is counted is remembered apart from the pending index: a repeated POST puts an ended one there again.
-- KEYS  pending index, ids that were counted, then for each generation to count the hash of its owner's day
-- ARGV  number of ids that the pending index lets go, ids, s for which a day is kept, most models in a day, name for
--       more of them, then for each generation to count: id, ms for which it is remembered, number of counters, and
--       model, counter, how much to add for each
-- Gives how many were counted
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- First of all writes: see append.lua, what ends is never refused for want of memory.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
local at = 2
for _ = 1, tonumber(ARGV[1]) do
  redis.call('ZREM', KEYS[1], ARGV[at])
  at = at + 1
end
local keep, most, other = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
at = at + 3

local function place(day, model)
  if redis.call('HEXISTS', day, 'model ' .. model) == 1 then
    return model
  end
  if tonumber(redis.call('HGET', day, 'models') or 0) >= most then
    return other
  end
  redis.call('HSET', day, 'model ' .. model, '1')
  redis.call('HINCRBY', day, 'models', 1)
  return model
end

local counted = 0
for i = 3, #KEYS do
  local day, count = KEYS[i], tonumber(ARGV[at + 2])
  local till = string.format('%.0f', now + ARGV[at + 1])
  if redis.call('ZADD', KEYS[2], 'NX', till, ARGV[at]) == 1 then
    counted = counted + 1
    for j = at + 3, at + 3 * count, 3 do
      -- A number that 64 bits cannot hold must not keep the others from being counted.
      redis.pcall('HINCRBY', day, ARGV[j + 1] .. ' ' .. place(day, ARGV[j]), ARGV[j + 2])
    end
    redis.call('EXPIRE', day, keep)
  end
  at = at + 3 + 3 * count
end
return counted
