-- cache/set: write an entry through, ahead of whatever is loading it.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, version 8 bytes, head of the entry, tail of the entry, ttl_ms int, fence_life_ms int,
--        seed of an incarnation 8 bytes, stamp_life_ms int, stamp_least_ms int, channel prefix,
--        then tags as tenant:tag:
-- CLOCK  store
-- RETURN {outcome, written 0|1|2}: "taken" | "outdated" by version | "marked" a write is under way
-- RESEND safe: the same entry again
-- @include cache_sequence
-- @include cache_stamps
-- @include cache_intent
-- @include cache_version
-- @include cache_notice
local prefix, key, version = KEYS[1], ARGV[1], ARGV[2]
local entry, fence, channel = prefix .. 'e:' .. key, prefix .. 'f:' .. key, ARGV[10]
if is_marked(prefix .. 'w:' .. key) then return {'marked', 0} end
if newer_than(fence, entry, version) then return {'outdated', 0} end
local incarnation, count = read_sequence(prefix, ARGV[7])
make_stamps(prefix, 11, count, ARGV[8], tonumber(ARGV[9]))
redis.call('SET', entry, ARGV[3] .. incarnation .. string.format('%016.0f', count) .. ARGV[4], 'PX', ARGV[5])
raise_fence(fence, version, ARGV[6])
end_lease(channel, prefix .. 'l:' .. key)
announce(channel, entry)
return {'taken', is_sequence_new and 2 or stamps_written}
