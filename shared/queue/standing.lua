-- Read how the queue stands, in one step. Nothing is written.
-- KEYS  queue, leases, leased (id → lease deadline), lines (owner → virtual start), pending index, workers, places
--       (worker → places), lease, failures (provider → JSON), answers (provider → ms), activity (counter → number)
-- ARGV  looked: entries, lines and workers that are looked at, at most
--       longest: lines that are told of, at most
--       longest_ms: ms for which a worker counts as alive, at most
--       line, running: what an owner's line and the set of what it runs are named by, before its name
-- Answers  now, visible, running, oldest wait (the score, or ''), run out, oldest lease that ran out (the deadline, or
--       ''), pending, lease (ms, or ''), alive, {worker, score, places or ''…}, lines, {owner, waiting, running, ms of the
--       oldest…}, {provider, JSON…}, {provider, ms…}, {counter, number…}
local queue, leases, leased, lines, pending, workers, places, lease, failures, answers, activity = unpack(KEYS)
local looked, longest, longest_ms, line, running = unpack(ARGV)
local now = now_ms()
local till = digits(now)

local visible = redis.call('ZCOUNT', queue, '-inf', till)
local oldest, run_out, oldest_run_out = '', 0, ''
local entries = redis.call('ZRANGEBYSCORE', queue, '-inf', till, 'WITHSCORES', 'LIMIT', 0, looked)
if #entries > 0 then
  local ids = {}
  for i = 1, #entries, 2 do
    ids[#ids + 1] = entries[i]
  end
  local holders = redis.call('HMGET', leases, unpack(ids))
  for i = 1, #ids do
    local score = entries[2 * i]
    if holders[i] and holders[i] ~= '' then
      run_out = run_out + 1
      oldest_run_out = oldest_run_out == '' and score or oldest_run_out
    elseif oldest == '' then
      oldest = score
    end
  end
end
-- Exactly, where more entries are visible than were looked at; an older worker does not write it.
local over = redis.call('ZRANGEBYSCORE', leased, '-inf', till, 'WITHSCORES', 'LIMIT', 0, 1)
if over[1] and redis.call('ZSCORE', queue, over[1]) then
  run_out = math.max(run_out, redis.call('ZCOUNT', leased, '-inf', till))
  oldest_run_out = oldest_run_out == '' and over[2] or oldest_run_out
end

local newest = digits(now + longest_ms)
local alive = redis.call('ZRANGEBYSCORE', workers, '(' .. till, newest, 'WITHSCORES', 'LIMIT', 0, looked)
local each = {}
for i = 1, #alive, 2 do
  each[#each + 1] = {alive[i], alive[i + 1], redis.call('HGET', places, alive[i]) or ''}
end

local found = {}
for _, owner in ipairs(redis.call('ZRANGE', lines, 0, looked - 1)) do
  local waiting = redis.call('ZCARD', line .. owner)
  if waiting > 0 then
    found[#found + 1] = {owner, waiting}
  end
end
table.sort(found, function(one, other)
  return one[2] > other[2]
end)
local told = {}
for i = 1, math.min(#found, tonumber(longest)) do
  local owner = found[i][1]
  local first = redis.call('ZRANGE', line .. owner, 0, 0, 'WITHSCORES')
  told[i] = {owner, found[i][2], redis.call('SCARD', running .. owner), first[2] or ''}
end

return {
  till, visible, redis.call('ZCARD', queue) - visible, oldest, run_out, oldest_run_out,
  redis.call('ZCARD', pending), redis.call('GET', lease) or '',
  redis.call('ZCOUNT', workers, '(' .. till, newest), each,
  redis.call('ZCARD', lines), told,
  redis.call('HGETALL', failures), redis.call('HGETALL', answers), redis.call('HGETALL', activity),
}
