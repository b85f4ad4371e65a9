-- Lease visible jobs: an entry's score is the time from which it may be taken, and a lease moves it ahead.
-- KEYS  queue, leases (job id → worker)
-- ARGV  worker, lease in ms, most jobs, least score in ms or '-inf'. With a least score, entries that somebody leased
--       are left alone too: their workers may not yet have been able to renew them. Last ms at which this may run or
--       '': what a Redis that was paused finds in its sockets is from workers that no longer wait for it. Leases that
--       ran out before this ms are left alone, or '': the clock may have been set since they were renewed. Longest time
--       in ms for which an entry is leased by nobody.
-- Gives now in ms, ms until the next entry becomes visible or -1, then id, score for each job; now and -2 if too late
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[5] ~= '' and now > tonumber(ARGV[5]) then
  return {string.format('%.0f', now), '-2'}
end
redis.call('PERSIST', KEYS[1]) -- see append.lua: what runs is never refused for want of memory
local till, holding = string.format('%.0f', now + ARGV[2]), ARGV[4] ~= '-inf'

-- A time further off than two leases is from before the clock was set back. What waits is as old as it was, and in
-- its order; what is leased is left to its worker for one lease, in which that renews it.
local far = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now + 2 * ARGV[2]), '+inf', 'WITHSCORES')
local set_back
for i = #far - 1, 1, -2 do
  local holder, score = redis.call('HGET', KEYS[2], far[i]), tonumber(far[i + 1])
  if holder then
    if holder ~= '' or score > now + 2 * math.max(tonumber(ARGV[2]), tonumber(ARGV[7])) then
      redis.call('ZADD', KEYS[1], 'XX', till, far[i])
    end
  elseif not holding then
    set_back = set_back or score - now
    redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', score - set_back), far[i])
  end
end

local looked = tonumber(ARGV[3])
if holding or ARGV[6] ~= '' then
  looked = looked + redis.call('HLEN', KEYS[2]) -- what is left alone must not hide what waits behind it
end
local jobs = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[4], string.format('%.0f', now), 'WITHSCORES', 'LIMIT', 0, looked)
local taken = {}
for i = 1, #jobs, 2 do
  if #taken >= 2 * ARGV[3] then
    break
  end
  local left = (holding or (ARGV[6] ~= '' and tonumber(jobs[i + 1]) < tonumber(ARGV[6])))
    and redis.call('HEXISTS', KEYS[2], jobs[i]) == 1
  if not left then
    redis.call('ZADD', KEYS[1], 'XX', till, jobs[i])
    redis.call('HSET', KEYS[2], jobs[i], ARGV[1])
    taken[#taken + 1] = jobs[i]
    taken[#taken + 1] = jobs[i + 1]
  end
end
local upcoming = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {string.format('%.0f', now), string.format('%.0f', upcoming[2] and upcoming[2] - now or -1), unpack(taken)}
