-- Note that another generation on its last attempt runs on the same worker: if that worker dies, it may be the other's
-- fault, and the next claim does not count it.
-- KEYS  record
if redis.call('HEXISTS', KEYS[1], 'token') == 1 then
  redis.call('HSET', KEYS[1], 'beside', 1)
end
