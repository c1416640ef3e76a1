-- worker/reclaim: the active jobs locked with one token.
-- A call that was given up can still run later and take jobs nobody waits for; their worker looks for them here.
-- KEYS   queue prefix
-- ARGV   token string
-- CLOCK  none
-- RETURN ids
-- RESEND safe, it only reads
local prefix, token = KEYS[1], ARGV[1]
local held = {}
for _, id in ipairs(redis.call('LRANGE', prefix .. 'active', 0, -1)) do
  if redis.call('GET', prefix .. id .. ':lock') == token then held[#held + 1] = id end
end
return held
