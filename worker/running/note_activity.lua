-- Note what a worker has done lately.
-- KEYS  failures (provider → JSON), answers (provider → ms), activity (counter → number)
-- ARGV  kept_ms: ms for which it is kept how providers did
--       started, ended: runs that began and ended
--       failed: the number of providers that failed, and for each its name, the ms since then, and the JSON's fields
--         behind `time`
--       and for each provider that answered its name, and the ms since then
-- Answers 1.
local failures, answers, activity = unpack(KEYS)
local kept_ms, started, ended, failed = unpack(ARGV, 1, 4)
local now = now_ms()
if started ~= '0' then
  redis.call('HINCRBY', activity, 'started', started)
end
if ended ~= '0' then
  redis.call('HINCRBY', activity, 'ended', ended)
end
local at = 5
for _ = 1, tonumber(failed) do
  local provider, ms_ago, fields = unpack(ARGV, at, at + 2)
  redis.call('HSET', failures, provider, '{"time":' .. digits(now - ms_ago) .. ',' .. fields)
  redis.call('PEXPIRE', failures, kept_ms)
  at = at + 3
end
while at < #ARGV do
  redis.call('HSET', answers, ARGV[at], digits(now - ARGV[at + 1]))
  redis.call('PEXPIRE', answers, kept_ms)
  at = at + 2
end
return 1
