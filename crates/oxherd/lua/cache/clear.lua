-- cache/clear: make every entry of a namespace a miss.
-- KEYS   namespace prefix
-- ARGV   seed of the incarnation 8 bytes, channel prefix
-- CLOCK  store
-- RETURN 0
-- RESEND safe  everything that was kept in between is a miss, too
-- @include cache_sequence
-- @include cache_notice
local prefix = KEYS[1]
local incarnation = next_incarnation(prefix, ARGV[1])
local left = redis.call('PTTL', prefix .. 'n')
-- What a full store allows, and after which it allows the rest.
redis.call('UNLINK', prefix .. 'n')
redis.call('SET', prefix .. 'n', incarnation, 'PX', math.max(left, sequence_life))
if not tonumber(redis.call('GET', prefix .. 's') or '') then
  redis.call('SET', prefix .. 's', '0', 'PX', sequence_life)
end
announce(ARGV[2], prefix .. 'n')
return 0
