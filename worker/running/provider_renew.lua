-- Renew places at a provider; one that was forgotten meanwhile counts again, as its call goes on.
-- KEYS  places, waiting (provider_enter.lua)
-- ARGV  lease: ms for which they count
--       and their tokens
-- Answers nothing.
local places, waiting = unpack(KEYS)
local lease = ARGV[1]
local till = digits(now_ms() + lease)
for i = 2, #ARGV do
  redis.call('ZREM', waiting, ARGV[i])
  redis.call('ZADD', places, till, ARGV[i])
end
redis.call('PEXPIRE', places, 2 * lease)
