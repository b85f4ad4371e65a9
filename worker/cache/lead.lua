-- Which generation answers all requests of this digest? Whoever asks first does, until its answer is of no use.
-- KEYS  cache entry
-- ARGV  asking: the generation that asks
--       useless: one whose answer it found to be of no use, or ''
--       keep_ms: ms to keep the entry
-- Answers the generation whose log is to be copied; the one that asks, where that is to ask the provider.
local entry = KEYS[1]
local asking, useless, keep_ms = unpack(ARGV)
local source = redis.call('GET', entry)
if source and source ~= asking and source ~= useless then
  return source
end
redis.call('SET', entry, asking, 'PX', keep_ms)
return asking
