-- Append batches, each to another generation's log, where its writer still owns that and continues exactly where it ends.
-- Each is a step of its own; they come together because a call costs Redis as much as the step. One that seals or renews
-- comes alone: it begins with a write that Redis at maxmemory never refuses, after which it would refuse the others none.
-- KEYS  for each: record, log, tombstone
-- ARGV  for each: token, last id that this batch continues from, seq of its first event, number of the attempt,
--       terminal state or '', TTL to renew in ms or 0, number of events, then type, data for each event
-- Gives for each: OK cancel-requested | FENCED token | SEALED seal | GONE | MISMATCH last-id
local call, at = redis.call, 1

local function append(record, log, tombstone)
  local token, previous, first, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 6])
  local number, state, renew, events = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], at + 7
  at = events + 2 * count
  local r = call('HMGET', record, 'token', 'seal', 'cancel')
  if not r[1] then
    return {'GONE'}
  end
  if r[2] then
    return {'SEALED', r[2]}
  end
  if tonumber(r[1]) > tonumber(token) then
    return {'FENCED', r[1]}
  end
  local newest = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local last = newest and newest[1] or '0-0'
  -- A record with an older token came back without its last second, and with it the claim: nobody has claimed since,
  -- as a later token is greater. The attempt is restored as a whole, from its first event.
  local restore = r[1] ~= token
  if last ~= previous or (restore and first ~= 0) then
    return {'MISMATCH', last}
  end

  local sealing, renewing = state ~= '', renew ~= '0'
  local keep = (sealing or renewing) and call('HMGET', record, 'ttl', 'tombstone_ttl')
  if sealing then
    -- First of all writes: Redis at maxmemory refuses a script's first write if that needs memory, but none after one
    -- that does not. An end is always written.
    call('PEXPIRE', record, keep[1])
    call('PEXPIRE', tombstone, keep[1] + keep[2])
  elseif renewing then
    call('PEXPIRE', record, renew)
    call('PEXPIRE', tombstone, renew + keep[2])
  end
  if restore then
    call('HSET', record, 'token', token, 'state', 'running', 'attempts', number)
    call('HDEL', record, 'handover', 'bill')
  end

  for i = 0, count - 1 do
    call('XADD', log, token .. '-' .. string.format('%.0f', first + i), ARGV[events + 2 * i], ARGV[events + 2 * i + 1])
  end
  if sealing then
    local clock = call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    call('HSET', record, 'state', state, 'seal', token .. '-' .. string.format('%.0f', first + count - 1),
      'ended', string.format('%.0f', now))
    call('PEXPIRE', log, keep[1])
  elseif renewing then
    call('PEXPIRE', log, renew)
  end
  local said = table.concat(ARGV, '\n', events, at - 1)
  call('PUBLISH', log, previous .. ' ' .. token .. '-' .. string.format('%.0f', first) .. '\n' .. said)
  return {'OK', r[3] and '1' or '0'}
end

local replies = {}
for i = 1, #KEYS, 3 do
  replies[#replies + 1] = append(KEYS[i], KEYS[i + 1], KEYS[i + 2])
end
return replies
