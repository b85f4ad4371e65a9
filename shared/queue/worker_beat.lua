-- Needs lines.lua.
-- Note that a worker is alive and how many places it has, and forget those that have not said so for long.
-- KEYS  as lines.lua, then workers (name → ms until which it counts as alive), and places of each, with their sum under
--       the name ''
-- ARGV  worker
--       counts_ms: ms for which it counts, or '' to note that it leaves
--       longest_ms: ms for which no worker counts
--       places: generations that it runs at a time
-- Answers 1, or 0 where it leaves and was not there.
local workers, places = unpack(KEYS, 12, 13)
local worker, counts_ms, longest_ms, own = unpack(ARGV)
local now = now_ms()
-- The oldest go first: see append.lua, who lives is never refused for want of memory.
redis.call('ZREMRANGEBYSCORE', workers, '-inf', '(' .. digits(now))
-- From before the clock was set back; who lives says so again soon.
redis.call('ZREMRANGEBYSCORE', workers, '(' .. digits(now + longest_ms), '+inf')
local answer = 1
if counts_ms == '' then
  answer = redis.call('ZREM', workers, worker)
else
  redis.call('ZADD', workers, digits(now + counts_ms), worker)
  redis.call('HSET', places, worker, own)
end

local before, sum = 0, 0
local noted = redis.call('HGETALL', places)
for i = 1, #noted, 2 do
  local name, count = noted[i], tonumber(noted[i + 1])
  if name == '' then
    before = count
  elseif redis.call('ZSCORE', workers, name) then
    sum = sum + count
  else
    redis.call('HDEL', places, name)
  end
end
if sum == 0 then
  redis.call('DEL', places)
elseif sum ~= before then
  redis.call('HSET', places, '', sum)
end
if sum ~= before then
  -- An owner's share of them is another.
  local full = redis.call('ZRANGEBYSCORE', lines, '-inf', '(0')
  for _, owner in ipairs(full) do
    reopen(owner)
  end
end
return answer
