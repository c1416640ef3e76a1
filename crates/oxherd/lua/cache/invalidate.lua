-- cache/invalidate: make every entry with one of these tags a miss.
-- KEYS   namespace prefix
-- ARGV   seed of an incarnation 8 bytes, stamp_life_ms int, channel prefix, then tags as tenant:tag:
-- CLOCK  store
-- RETURN the count of invalidations
-- RESEND safe
-- @include cache_sequence
-- @include cache_notice
local prefix, life, channel = KEYS[1], ARGV[2], ARGV[3]
-- First what a full store allows, and after which it allows the rest: a stamp that is missing is an invalidation too.
local lives = {}
for at = 4, #ARGV do
  local key = prefix .. 't:' .. ARGV[at]
  lives[at] = math.max(life, redis.call('PTTL', key))
  redis.call('UNLINK', key)
end
local _, count = read_sequence(prefix, ARGV[1])
count = string.format('%.0f', count + 1)
redis.call('SET', prefix .. 's', count, 'KEEPTTL')
for at = 4, #ARGV do
  local key = prefix .. 't:' .. ARGV[at]
  redis.call('SET', key, count, 'PX', lives[at])
  announce(channel, key)
end
return count
