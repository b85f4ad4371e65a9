-- Let a retry take the place of a generation's asker, where that still stands as the retry has read it.
-- KEYS  askers (generation → began, asker, state and counts, with a space between any two)
-- ARGV  generation
--       read: what was noted of it
--       joined: what is to be noted: the retry as the asker, connected, and its count among the others
-- Answers 1 where it has joined, also where this is the same call again, else 0.
local askers = KEYS[1]
local generation, read, joined = unpack(ARGV)
local now = redis.call('HGET', askers, generation)
if now == joined then
  return 1
end
if now ~= read then
  return 0
end
redis.call('HSET', askers, generation, joined)
return 1
