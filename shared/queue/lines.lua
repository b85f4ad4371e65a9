-- The lines: what the queue's scripts have in common. LuaScript puts it before the text of each.
--
-- The queue is the truth: what it holds waits or runs, and runs where the leases have it. All else here is an index of
-- that by owner, kept in the same step. An earlier version changes the truth alone, so `mend` makes the index of one id
-- again from the truth, wherever the two are seen to differ.
--
-- A line is an owner's ids that wait, by their age. `lines` has the owners that have one, by the virtual time at which
-- each is served next; the score is -1 less that time where it has as many running as it may, until one of them ends.
local queue, leases, pending, wake, leased, owners, lines, finished, time, line_of, running_of = unpack(KEYS, 1, 11)

-- Returns a number as text that is read as the same number.
local function exact(number)
  return string.format('%.17g', number)
end

-- A wake-up is a hint, and a worker takes all it can at each: a few are as good as one for each job. It may be refused,
-- as any hint, and is then left out; so is what could not be kept short.
local function wake_one()
  if not redis.pcall('LTRIM', wake, 0, 62).err then
    redis.pcall('LPUSH', wake, '1')
  end
end

local virtual

-- Returns the virtual time: the one at which who has waited for nothing yet would be served now.
local function virtual_time()
  if not virtual then
    local first = redis.call('HGET', time, 'virtual')
      or redis.call('ZRANGEBYSCORE', lines, 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    virtual = tonumber(first or 0)
  end
  return virtual
end

-- Returns when an owner is served next, or nil where it has no line, and whether it is full.
local function start_of(owner)
  local score = redis.call('ZSCORE', lines, owner)
  if not score then
    return nil, false
  end
  local start = tonumber(score)
  if start < 0 then
    return -1 - start, true
  end
  return start, false
end

-- Lets an owner that was full be served again, as one of what it has running has ended.
local function reopen(owner)
  local start, full = start_of(owner)
  if full then
    redis.call('ZADD', lines, exact(math.max(virtual_time(), start)), owner)
    wake_one()
  end
end

-- Puts an id into its owner's line by its age, which it keeps when it is given back. An owner that had no line is served
-- from the present virtual time on, so that it has no credit of when it was away; but not before what it has had since
-- would let it.
local function join_line(id, owner, since)
  redis.call('ZADD', line_of .. owner, redis.call('ZSCORE', pending, id) or since, id)
  if not redis.call('ZSCORE', lines, owner) then
    local start = math.max(virtual_time(), tonumber(redis.call('ZSCORE', finished, owner) or 0))
    redis.call('ZADD', lines, exact(start), owner)
    redis.call('ZREM', finished, owner)
  end
end

-- Notes when an owner is served next. Of one that has nothing more to wait for it is remembered only as long as it is
-- ahead of the virtual time: owners are without number.
local function set_start(owner, start)
  if redis.call('EXISTS', line_of .. owner) == 1 then
    redis.call('ZADD', lines, exact(start), owner)
  else
    redis.call('ZREM', lines, owner)
    if start > virtual_time() then
      redis.call('ZADD', finished, exact(start), owner)
    end
  end
end

local function leave_line(id, owner)
  if redis.call('ZREM', line_of .. owner, id) == 1 and redis.call('EXISTS', line_of .. owner) == 0 then
    local start = start_of(owner)
    if start then
      set_start(owner, start)
    end
  end
end

local function begin_run(id, owner, till)
  redis.call('ZADD', leased, till, id)
  redis.call('SADD', running_of .. owner, id)
end

-- Answers whether it ran.
local function end_run(id, owner)
  if redis.call('ZREM', leased, id) == 0 then
    return false
  end
  redis.call('SREM', running_of .. owner, id)
  reopen(owner)
  return true
end

-- Takes out of all indexes an id that the queue has no more.
local function forget(id)
  local owner = redis.call('HGET', owners, id) or ''
  redis.call('HDEL', owners, id)
  if not end_run(id, owner) then
    leave_line(id, owner)
  end
end

-- Makes the index of one id again from the truth. One that is known to nobody is of the owner `named`, or else of ''.
local function mend(id, named)
  local score = redis.call('ZSCORE', queue, id)
  if not score then
    redis.call('HDEL', leases, id)
    return forget(id)
  end
  local owner = redis.call('HGET', owners, id)
  if not owner then
    owner = named or ''
    redis.call('HSET', owners, id, owner)
  end
  if redis.call('HEXISTS', leases, id) == 1 then
    leave_line(id, owner)
    begin_run(id, owner, score)
  else
    end_run(id, owner)
    join_line(id, owner, score)
  end
end
