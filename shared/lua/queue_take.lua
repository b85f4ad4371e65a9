-- Lease visible jobs: an entry's score is the time from which it may be taken, and a lease moves it ahead.
-- KEYS  queue, leases (job id → worker)
-- ARGV  worker, lease in ms, most jobs, least score in ms or '-inf'. With a least score, entries that somebody leased
--       are left alone too: their workers may not yet have been able to renew them. Last ms at which this may run or
--       '': what a Redis that was paused finds in its sockets is from workers that no longer wait for it.
-- Gives now in ms, ms until the next entry becomes visible or -1, then id, score for each job; now and -2 if too late
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[5] ~= '' and now > tonumber(ARGV[5]) then
  return {string.format('%.0f', now), '-2'}
end
local jobs = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[4], string.format('%.0f', now), 'WITHSCORES', 'LIMIT', 0, ARGV[3])
redis.call('PERSIST', KEYS[1]) -- see append.lua: what runs is never refused for want of memory
local till = string.format('%.0f', now + ARGV[2])
local taken = {}
for i = 1, #jobs, 2 do
  if ARGV[4] == '-inf' or redis.call('HEXISTS', KEYS[2], jobs[i]) == 0 then
    redis.call('ZADD', KEYS[1], 'XX', till, jobs[i])
    redis.call('HSET', KEYS[2], jobs[i], ARGV[1])
    taken[#taken + 1] = jobs[i]
    taken[#taken + 1] = jobs[i + 1]
  end
end
local upcoming = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {string.format('%.0f', now), string.format('%.0f', upcoming[2] and upcoming[2] - now or -1), unpack(taken)}
