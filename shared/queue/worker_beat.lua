-- Note that a worker is alive, and forget those that have not said so for long.
-- KEYS  workers (name → ms until which it counts as alive)
-- ARGV  worker, ms for which it counts; '' notes that it leaves; ms for which no worker counts
-- The oldest go first: see append.lua, who lives is never refused for want of memory.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
-- From before the clock was set back; who lives says so again soon.
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + ARGV[3]), '+inf')
if ARGV[2] == '' then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
return 1
