-- Needs lines.lua.
-- Lease jobs that may run now: an entry's score is the time from which it may be taken, and a lease moves it ahead.
-- Leases that have run out come first, then the lines by start-time fair queueing: the one with the least virtual time
-- is served, and its next time is one further, divided by its owner's weight.
-- KEYS  as lines.lua, then places of each worker that lives (worker_beat.lua)
-- ARGV  worker
--       lease: in ms
--       most: jobs at most
--       least: the least score in ms, or '-inf'. With a least score only what came since is taken, by its age, and
--         entries that somebody leased are left alone too: their workers may not yet have been able to renew them.
--       until_ms: the last ms at which this may run, or ''. What a Redis that was paused finds in its sockets is from
--         workers that no longer wait for it.
--       leased_since_ms: leases that ran out before this ms are left alone, or ''. The clock may have been set since
--         they were renewed.
--       longest_after_ms: the longest time in ms for which an entry is leased by nobody (enqueue.lua)
--       own_places: of this worker, which count where no worker has said how many it has
--       max_share: part of all places that one owner may hold, or ''
--       max_running: of each owner, or ''
--       overrides: JSON of the weight and max_running of each owner of its own, or ''
-- Answers  now, ahead, then id, score for each job. `ahead` is the ms until the next entry becomes visible, -1 where
--       there is none, and -2 where `until_ms` is over and nothing is done.
local worker, lease, most, least, until_ms, leased_since_ms, longest_after_ms = unpack(ARGV, 1, 7)
local own_places, max_share, max_running, overrides = unpack(ARGV, 8, 11)
local now = now_ms()
if until_ms ~= '' and now > tonumber(until_ms) then
  return {digits(now), '-2'}
end
redis.call('PERSIST', queue) -- see append.lua: what runs is never refused for want of memory
most = tonumber(most)
local till, holding = digits(now + lease), least ~= '-inf'
-- What one call may do beside taking, as no other runs meanwhile; the next goes on.
local STEPS, NEWEST, PAGE = 200, 100, 400

-- A time further off than two leases is from before the clock was set back. What waits is as old as it was, and in
-- its order; what is leased is left to its worker for one lease, in which that renews it.
local furthest = '(' .. digits(now + 2 * lease)
local far = redis.call('ZRANGEBYSCORE', queue, furthest, '+inf', 'WITHSCORES')
local set_back
for i = #far - 1, 1, -2 do
  local id, score = far[i], tonumber(far[i + 1])
  local holder = redis.call('HGET', leases, id)
  if holder then
    if holder ~= '' or score > now + 2 * math.max(tonumber(lease), tonumber(longest_after_ms)) then
      redis.call('ZADD', queue, 'XX', till, id)
      redis.call('ZADD', leased, 'XX', till, id)
    end
  elseif not holding then
    set_back = set_back or score - now
    redis.call('ZADD', queue, 'XX', digits(score - set_back), id)
    local line = line_of .. (redis.call('HGET', owners, id) or '')
    local since = redis.call('ZSCORE', line, id)
    if since then
      redis.call('ZADD', line, digits(since - set_back), id)
    end
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leased, furthest, '+inf', 'LIMIT', 0, STEPS)) do
  local score = redis.call('ZSCORE', queue, id)
  if not score or tonumber(score) <= now + 2 * lease then
    mend(id) -- an earlier version has set it right in the queue alone
  end
end

-- Mends those of these ids that are missing elsewhere: in a hash by HMGET, in a sorted set by ZMSCORE.
local function mend_missing(ids, read, elsewhere)
  local there = #ids > 0 and redis.call(read, elsewhere, unpack(ids))
  for i, id in ipairs(ids) do
    if not there[i] then
      mend(id)
    end
  end
end

-- Returns the next page of a sorted set's ids, or of a hash's; after the last comes the first.
local function next_ids(set)
  local from = tonumber(redis.call('HGET', time, set) or 0)
  local ids = redis.call('ZRANGE', set, from, from + PAGE - 1)
  redis.call('HSET', time, set, #ids < PAGE and 0 or from + PAGE)
  return ids
end
local function next_fields(hash)
  local cursor, found = unpack(redis.call('HSCAN', hash, redis.call('HGET', time, hash) or '0', 'COUNT', NEWEST))
  redis.call('HSET', time, hash, cursor)
  local ids = {}
  for i = 1, #found, 2 do
    ids[#ids + 1] = found[i]
  end
  return ids
end

-- Each id of the queue has an owner, and each lease its place among the leased, so a few numbers say whether an earlier
-- version, or who restored Redis, has changed the queue alone. What is new is looked at at once, the rest page by page.
-- Where what is missing and what is too much are as many, an id is mended when it is met, and enqueued by the sweeper
-- (enqueue.lua).
local known = redis.call('ZCARD', queue)
local unknown = known - redis.call('HLEN', owners)
if unknown > 0 then
  local newest = redis.call('ZREVRANGEBYSCORE', queue, digits(now), '-inf', 'LIMIT', 0, NEWEST)
  mend_missing(newest, 'HMGET', owners)
  mend_missing(next_ids(queue), 'HMGET', owners)
elseif unknown < 0 then
  mend_missing(next_fields(owners), 'ZMSCORE', queue)
end
if redis.call('ZCARD', leased) ~= redis.call('HLEN', leases) then
  mend_missing(next_ids(leased), 'HMGET', leases)
  mend_missing(next_fields(leases), 'ZMSCORE', leased)
end

-- What waits has a line. Where Redis was restored without the lines, all of it would wait for good.
if redis.call('EXISTS', lines) == 0 and known > redis.call('ZCARD', leased) then
  mend_missing(next_ids(queue), 'HMGET', leases)
end

local own
local function of_its_own(owner)
  own = own or (overrides ~= '' and cjson.decode(overrides)) or {}
  return own[owner] or {}
end

local places, share = KEYS[12], math.huge
local function look_at_places()
  if max_share ~= '' then
    local all = math.max(tonumber(redis.call('HGET', places, '') or 0), tonumber(own_places))
    share = math.max(1, math.floor(max_share * all + 1e-9))
  end
end
look_at_places()

-- Counts the places of a worker no more that let a lease run out; one that lives says so again.
local function drop_places(lost)
  local count = lost ~= '' and lost ~= worker and redis.call('HGET', places, lost)
  if count then
    redis.call('HDEL', places, lost)
    redis.call('HINCRBY', places, '', -count)
    look_at_places()
  end
end

-- Returns how many more an owner may have running; less than 0 where it has too many, as a worker has gone.
local function room_of(owner)
  local most_running = of_its_own(owner).max_running or tonumber(max_running)
  local cap = math.min(most_running or math.huge, share)
  return cap == math.huge and cap or cap - redis.call('SCARD', running_of .. owner)
end

-- Says whether what an owner has running was more than there is, and drops some of that. Only where the owners were lost
-- can it be; a few are enough to look at, as an end of any other has them looked at again.
local function drop_not_running(owner)
  local some, dropped = redis.call('SRANDMEMBER', running_of .. owner, 3), false
  local owner_of, holders = redis.call('HMGET', owners, unpack(some)), redis.call('HMGET', leases, unpack(some))
  for i, id in ipairs(some) do
    if owner_of[i] ~= owner or not holders[i] then
      redis.call('SREM', running_of .. owner, id)
      dropped = true
    end
  end
  return dropped
end

local taken = {}
local function is_done()
  return #taken >= 2 * most
end

local function lease_to_worker(id, owner, score)
  redis.call('ZADD', queue, 'XX', till, id)
  redis.call('HSET', leases, id, worker)
  begin_run(id, owner, till)
  taken[#taken + 1] = id
  taken[#taken + 1] = score
end

-- Takes the id of an owner's line for which it is served at `start`. The virtual time is that, but never stands still
-- while others than those who wait longest are served: who is served later comes before who joins later.
local function serve(id, owner, start, score)
  redis.call('ZREM', line_of .. owner, id)
  lease_to_worker(id, owner, score)
  local cost = 1 / (of_its_own(owner).weight or 1)
  local others = redis.call('ZCOUNT', lines, 0, '+inf')
  virtual = math.max(start, virtual_time() + cost / (others + 1))
  set_start(owner, start + cost)
end

-- Takes leases that have run out. Those that nobody held, and those of an owner that has more running than it may, go
-- into its line.
local function take_expired()
  local since = leased_since_ms == '' and '-inf' or leased_since_ms
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leased, since, digits(now), 'LIMIT', 0, most + STEPS)) do
    if is_done() then
      return
    end
    local score, holder = redis.call('ZSCORE', queue, id), redis.call('HGET', leases, id)
    local owner = redis.call('HGET', owners, id) or ''
    local left = score and leased_since_ms ~= '' and tonumber(score) < tonumber(leased_since_ms)
    if not score or not holder or left or tonumber(score) > now then
      mend(id)
    else
      drop_places(holder)
      if holder == '' or room_of(owner) < 0 then
        redis.call('HDEL', leases, id)
        mend(id)
      else
        lease_to_worker(id, owner, score)
      end
    end
  end
end

-- Takes from the lines. Answers whether it has met a lease there, and whether it broke off.
local function take_lines()
  local met = false
  for _ = 1, most + STEPS do
    if is_done() then
      return met, false
    end
    local owner, start = unpack(redis.call('ZRANGEBYSCORE', lines, 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1))
    if not owner then
      return met, false
    end
    local id = redis.call('ZRANGE', line_of .. owner, 0, 0)[1]
    local score = id and redis.call('ZSCORE', queue, id)
    if not id then
      redis.call('ZREM', lines, owner)
    elseif redis.call('HGET', owners, id) ~= owner then
      leave_line(id, owner) -- the owners were lost, and it may be in another line now
      mend(id, owner)
      met = true
    elseif not score or redis.call('HEXISTS', leases, id) == 1 then
      mend(id)
      met = true
    elseif room_of(owner) > 0 then
      serve(id, owner, tonumber(start), score)
    elseif not drop_not_running(owner) then
      redis.call('ZADD', lines, exact(-1 - start), owner)
    end
  end
  return met, true
end

-- Takes what came since, by its age.
local function take_new()
  -- What is left alone must not hide what waits behind it.
  local looked = most + STEPS + redis.call('HLEN', leases)
  local visible = redis.call('ZRANGEBYSCORE', queue, least, digits(now), 'WITHSCORES', 'LIMIT', 0, looked)
  for i = 1, #visible, 2 do
    local id, score = visible[i], visible[i + 1]
    if is_done() then
      return
    end
    if redis.call('HEXISTS', leases, id) == 0 then
      mend(id)
      local owner = redis.call('HGET', owners, id)
      if room_of(owner) > 0 then
        serve(id, owner, start_of(owner), score)
      end
    end
  end
end

local met, broken_off = false, false
if holding then
  take_new()
else
  take_expired()
  met, broken_off = take_lines()
  if met then
    take_expired()
  end
end
if #taken > 0 then
  redis.call('HSET', time, 'virtual', exact(virtual_time()))
  redis.call('ZREMRANGEBYSCORE', finished, '-inf', exact(virtual_time()))
end
local upcoming = redis.call('ZRANGEBYSCORE', queue, '(' .. digits(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local ahead = upcoming[2] and upcoming[2] - now or -1
return {digits(now), digits(broken_off and 1 or ahead), unpack(taken)}
