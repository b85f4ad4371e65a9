-- Append batches, each to another generation's log, where its writer still owns that and continues exactly where it
-- ends. Each is a step of its own; they come together because a call costs Redis as much as the step. One that seals or
-- renews comes alone: it begins with a write that Redis at maxmemory never refuses, after which it would refuse the
-- others none.
-- KEYS  for each batch: record, log, tombstone
-- ARGV  for each batch
--       owned: the writer's token
--       previous: the id that the batch continues from
--       first: the seq of its first event
--       number: of the attempt
--       state: the one that the batch ends the generation in, or ''
--       renew: the TTL to set in ms, or 0
--       length: bytes of the answer, noted with its end
--       count: of its events
--       and type, data for each event
-- Answers for each batch
--   OK cancel      It is written. `cancel` is '1' where somebody has asked for the end, else '0'.
--   GONE           There is no record.
--   SEALED seal    The generation has ended, with the event of this id.
--   FENCED token   A later attempt, the one with this token, owns the log.
--   MISMATCH last  The log ends with this id, and not with `previous`.
--
-- A batch of more than 1 MB is published by the id of its last event alone, in a form that every reader takes for a gap,
-- which it fills from the log: Redis cuts a subscriber for which more than 32 MB wait (client-output-buffer-limit), and
-- with it all that an API follows.
local call, at = redis.call, 1
local MAX_PUBLISHED, MAX_SMALL = 1000000, 64000
local FURTHEST = '-18446744073709551615 '

local function append(record, log, tombstone)
  local owned, previous, first, number, state, renew, length, count = unpack(ARGV, at, at + 7)
  first, count = tonumber(first), tonumber(count)
  local events = at + 8
  at = events + 2 * count
  local token, seal, cancel = unpack(call('HMGET', record, 'token', 'seal', 'cancel'))
  local refused = refusal(token, seal)
  if refused then
    return refused
  end
  if tonumber(token) > tonumber(owned) then
    return {'FENCED', token}
  end
  local last = last_id(log)
  -- A record with an older token came back without its last second, and with it the claim: nobody has claimed since,
  -- as a later token is greater. The attempt is restored as a whole, from its first event.
  local restore = token ~= owned
  if last ~= previous or (restore and first ~= 0) then
    return {'MISMATCH', last}
  end

  local sealing, renewing = state ~= '', renew ~= '0'
  local ttl, tombstone_ttl
  if sealing or renewing then
    ttl, tombstone_ttl = unpack(call('HMGET', record, 'ttl', 'tombstone_ttl'))
  end
  if sealing then
    -- First of all writes: Redis at maxmemory refuses a script's first write if that needs memory, but none after one
    -- that does not. An end is always written.
    call('PEXPIRE', record, ttl)
    call('PEXPIRE', tombstone, ttl + tombstone_ttl)
  elseif renewing then
    call('PEXPIRE', record, renew)
    call('PEXPIRE', tombstone, renew + tombstone_ttl)
  end
  if restore then
    call('HSET', record, 'token', owned, 'state', 'running', 'attempts', number)
    call('HDEL', record, 'handover', 'bill')
  end

  local size, large, largest = 0, 0, 0
  for i = 0, count - 1 do
    local data = ARGV[events + 2 * i + 1]
    call('XADD', log, owned .. '-' .. (first + i), ARGV[events + 2 * i], data)
    size = size + #data
    if #data > MAX_SMALL then
      large, largest = large + #data, math.max(largest, #data)
    end
  end
  if large > 0 then
    -- For readers, whose pages are bounded in bytes (guarded_log.py).
    local all, most = unpack(call('HMGET', record, 'large', 'largest'))
    call('HSET', record, 'large', (all or 0) + large, 'largest', math.max(most or 0, largest))
  end
  local last_written = owned .. '-' .. (first + count - 1)
  if sealing then
    call('HSET', record, 'state', state, 'seal', last_written, 'ended', digits(now_ms()), 'said', length)
    call('PEXPIRE', log, ttl)
  elseif renewing then
    call('PEXPIRE', log, renew)
  end
  if size > MAX_PUBLISHED then
    call('PUBLISH', log, owned .. FURTHEST .. last_written .. '\n\n')
  else
    local said = table.concat(ARGV, '\n', events, at - 1)
    call('PUBLISH', log, previous .. ' ' .. owned .. '-' .. first .. '\n' .. said)
  end
  return {'OK', cancel and '1' or '0'}
end

local replies = {}
for i = 1, #KEYS, 3 do
  replies[#replies + 1] = append(KEYS[i], KEYS[i + 1], KEYS[i + 2])
end
return replies
