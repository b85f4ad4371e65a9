-- Note in a generation's record which number it has in its conversation, so that it is the same again.
-- KEYS  record
-- ARGV  number
-- Answers nothing.
if redis.call('HEXISTS', KEYS[1], 'state') == 1 then
  redis.call('HSET', KEYS[1], 'number', ARGV[1])
end
