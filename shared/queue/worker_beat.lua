-- Note that a worker is alive, and forget those that have not said so for long.
-- KEYS  workers (name → ms until which it counts as alive)
-- ARGV  worker
--       counts_ms: ms for which it counts, or '' to note that it leaves
--       longest_ms: ms for which no worker counts
-- Answers 1, or 0 where it leaves and was not there.
local workers = KEYS[1]
local worker, counts_ms, longest_ms = unpack(ARGV)
local now = now_ms()
-- The oldest go first: see append.lua, who lives is never refused for want of memory.
redis.call('ZREMRANGEBYSCORE', workers, '-inf', '(' .. digits(now))
-- From before the clock was set back; who lives says so again soon.
redis.call('ZREMRANGEBYSCORE', workers, '(' .. digits(now + longest_ms), '+inf')
if counts_ms == '' then
  return redis.call('ZREM', workers, worker)
end
redis.call('ZADD', workers, digits(now + counts_ms), worker)
return 1
