-- What several scripts need. LuaScript puts it before the text of each. Redis runs it at every call: it only defines.

-- Returns the time in ms on Redis' clock.
local function now_ms()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end

-- Returns a whole number as text. Lua by itself writes 10^14 and more with an exponent.
local function digits(number)
  return string.format('%.0f', number)
end

-- Returns the id of a log's newest event, or 0-0 where the log has none.
local function last_id(log)
  local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  return newest and newest[1] or '0-0'
end

-- Returns a token greater than the record's and than that of the log's last event: the time, where that is greater.
local function next_token(now, token, last)
  return digits(math.max(now, token + 1, string.match(last, '^%d+') + 1))
end

-- Returns why a generation cannot be written, by its record's token and seal, or nil where it can. Without `owned`, the
-- token that the record must still have, nobody is fenced.
local function refusal(token, seal, owned)
  if not token then
    return {'GONE'}
  end
  if seal then
    return {'SEALED', seal}
  end
  if owned and token ~= owned then
    return {'FENCED', token}
  end
end
