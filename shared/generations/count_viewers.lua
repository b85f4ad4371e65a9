-- Note how many viewers a node has of something, and answer how many the other nodes have.
-- KEYS  viewers (node → its viewers, and the ms until which that counts, with a space between them)
-- ARGV  node
--       count: its viewers; '' to look only
--       life: ms for which a count counts
-- Answers the viewers of all other nodes, and for how many ms the last of their counts still counts.
local viewers = KEYS[1]
local node, count, life = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now, writes = now_ms(), count ~= ''
if count == '0' then
  redis.call('HDEL', viewers, node)
elseif writes then
  redis.call('PEXPIRE', viewers, life) -- the first write needs no memory: see append.lua
  redis.call('HSET', viewers, node, count .. ' ' .. digits(now + life))
  redis.call('PEXPIRE', viewers, life)
end

local all, others, longest = redis.call('HGETALL', viewers), 0, 0
for i = 1, #all, 2 do
  local number, till = string.match(all[i + 1], '^(%d+) (%d+)$')
  local left = number and till - now or 0
  if left <= 0 or left > life then
    -- Its node is gone, or the clock was set: who lives writes again soon.
    if writes then
      redis.call('HDEL', viewers, all[i])
    end
  elseif all[i] ~= node then
    others, longest = others + number, math.max(longest, left)
  end
end
return {others, longest}
