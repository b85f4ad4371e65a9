-- Note that another generation on its last attempt runs on the same worker: if that worker dies, it may be the other's
-- fault, and the next claim does not count it.
-- KEYS  record
-- Answers nothing.
local record = KEYS[1]
if redis.call('HEXISTS', record, 'token') == 1 then
  redis.call('HSET', record, 'beside', 1)
end
