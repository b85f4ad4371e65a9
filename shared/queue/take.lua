-- Lease visible jobs: an entry's score is the time from which it may be taken, and a lease moves it ahead.
-- KEYS  queue, leases (job id → worker)
-- ARGV  worker
--       lease: in ms
--       most: jobs at most
--       least: the least score in ms, or '-inf'. With a least score, entries that somebody leased are left alone too:
--         their workers may not yet have been able to renew them.
--       until_ms: the last ms at which this may run, or ''. What a Redis that was paused finds in its sockets is from
--         workers that no longer wait for it.
--       leased_since_ms: leases that ran out before this ms are left alone, or ''. The clock may have been set since
--         they were renewed.
--       longest_after_ms: the longest time in ms for which an entry is leased by nobody (enqueue.lua)
-- Answers  now, ahead, then id, score for each job. `ahead` is the ms until the next entry becomes visible, -1 where
--       there is none, and -2 where `until_ms` is over and nothing is done.
local queue, leases = unpack(KEYS)
local worker, lease, most, least, until_ms, leased_since_ms, longest_after_ms = unpack(ARGV)
local now = now_ms()
if until_ms ~= '' and now > tonumber(until_ms) then
  return {digits(now), '-2'}
end
redis.call('PERSIST', queue) -- see append.lua: what runs is never refused for want of memory
local till, holding = digits(now + lease), least ~= '-inf'

-- A time further off than two leases is from before the clock was set back. What waits is as old as it was, and in
-- its order; what is leased is left to its worker for one lease, in which that renews it.
local far = redis.call('ZRANGEBYSCORE', queue, '(' .. digits(now + 2 * lease), '+inf', 'WITHSCORES')
local set_back
for i = #far - 1, 1, -2 do
  local id, score = far[i], tonumber(far[i + 1])
  local holder = redis.call('HGET', leases, id)
  if holder then
    if holder ~= '' or score > now + 2 * math.max(tonumber(lease), tonumber(longest_after_ms)) then
      redis.call('ZADD', queue, 'XX', till, id)
    end
  elseif not holding then
    set_back = set_back or score - now
    redis.call('ZADD', queue, 'XX', digits(score - set_back), id)
  end
end

local looked = tonumber(most)
if holding or leased_since_ms ~= '' then
  looked = looked + redis.call('HLEN', leases) -- what is left alone must not hide what waits behind it
end
local visible = redis.call('ZRANGEBYSCORE', queue, least, digits(now), 'WITHSCORES', 'LIMIT', 0, looked)
local taken = {}
for i = 1, #visible, 2 do
  if #taken >= 2 * most then
    break
  end
  local id, score = visible[i], visible[i + 1]
  local left = (holding or (leased_since_ms ~= '' and tonumber(score) < tonumber(leased_since_ms)))
    and redis.call('HEXISTS', leases, id) == 1
  if not left then
    redis.call('ZADD', queue, 'XX', till, id)
    redis.call('HSET', leases, id, worker)
    taken[#taken + 1] = id
    taken[#taken + 1] = score
  end
end
local upcoming = redis.call('ZRANGEBYSCORE', queue, '(' .. digits(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local ahead = upcoming[2] and upcoming[2] - now or -1
return {digits(now), digits(ahead), unpack(taken)}
