-- Which generation answers all requests of this digest? Whoever asks first does, until its answer is of no use.
-- KEYS  cache entry
-- ARGV  generation that asks, generation whose answer it found to be of no use or '', ms to keep the entry
-- Gives the generation whose log is to be copied; the one that asks, where that is to ask the provider
local source = redis.call('GET', KEYS[1])
if source and source ~= ARGV[1] and source ~= ARGV[2] then
  return source
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]
