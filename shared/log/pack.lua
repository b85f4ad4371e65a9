-- Replace a sealed log's entries by others that say the same, if it is still the log that they were made of.
-- KEYS  record, log, packing (the new log while it is written)
-- ARGV  made_of: the seal of the log that they were made of
--       count: of that log's entries
--       and id, field, data for each new entry
-- Answers 1 where it is done, else 0.
local record, log, packing = unpack(KEYS)
local made_of, count = unpack(ARGV, 1, 2)
local seal = redis.call('HGET', record, 'seal')
if seal ~= made_of or redis.call('XLEN', log) ~= tonumber(count) then
  return 0
end
local left = redis.call('PTTL', log)
if last_id(log) ~= seal or left < 0 then
  return 0
end
-- Beside it, and then in its place: whatever goes wrong on the way, the log is whole. As the first write needs no
-- memory, the others are made at maxmemory too (append.lua), which in the end gives some free.
redis.call('DEL', packing)
for i = 3, #ARGV, 3 do
  redis.call('XADD', packing, unpack(ARGV, i, i + 2))
end
redis.call('PEXPIRE', packing, left)
redis.call('RENAME', packing, log)
return 1
