-- cache/clear: make every entry of a namespace a miss.
-- KEYS   namespace prefix
-- ARGV   seed of the incarnation 8 bytes, channel prefix, origin 8 bytes
-- CLOCK  store
-- RETURN 0
-- RESEND safe  everything that was kept in between is a miss, too
-- @include cache_sequence
-- @include cache_notice
local prefix = KEYS[1]
read_sequence(prefix, ARGV[1])
local incarnation = next_incarnation(prefix, ARGV[1])
-- What a full store allows, and after which it allows the rest.
local left = redis.call('PTTL', prefix .. 'n')
redis.call('UNLINK', prefix .. 'n')
redis.call('SET', prefix .. 'n', incarnation)
if left > 0 then redis.call('PEXPIRE', prefix .. 'n', left) end
announce(ARGV[2], ARGV[3], prefix .. 'n')
return 0
