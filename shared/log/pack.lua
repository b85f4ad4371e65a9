-- Replace a sealed log's entries by others that say the same, if it is still the log that they were made of.
-- KEYS  record, log, the new log while it is written
-- ARGV  seal, number of entries that the log must have, then id, field, data for each new entry
-- Gives 1, or 0 where it was not done
local seal = redis.call('HGET', KEYS[1], 'seal')
if seal ~= ARGV[1] or redis.call('XLEN', KEYS[2]) ~= tonumber(ARGV[2]) then
  return 0
end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local left = redis.call('PTTL', KEYS[2])
if not newest or newest[1] ~= seal or left < 0 then
  return 0
end
-- Beside it, and then in its place: whatever goes wrong on the way, the log is whole. As the first write needs no memory
-- the others are made at maxmemory too (append.lua), which in the end gives some free.
redis.call('DEL', KEYS[3])
for i = 3, #ARGV, 3 do
  redis.call('XADD', KEYS[3], ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
redis.call('PEXPIRE', KEYS[3], left)
redis.call('RENAME', KEYS[3], KEYS[2])
return 1
