-- Drop entries of an owner's index that lead nowhere, unless they were noted again since they were read.
-- KEYS  index
-- ARGV  score, member for each
-- Answers nothing.
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i + 1])
  if score and tonumber(score) == tonumber(ARGV[i]) then
    redis.call('ZREM', KEYS[1], ARGV[i + 1])
  end
end
