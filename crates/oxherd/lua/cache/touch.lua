-- cache/touch: keep an entry, and the stamps it depends on, for another while.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, id of the entry 16 bytes (empty: whichever), ttl_ms int, stamp_life_ms int, stamp_least_ms int,
--        then tags as tenant:tag:
-- CLOCK  store
-- RETURN {1, or 0 there is no such entry; written 0|1}
-- RESEND safe
-- @include cache_stamps
local prefix, entry = KEYS[1], KEYS[1] .. 'e:' .. ARGV[1]
local id = redis.call('GETRANGE', entry, 4, 19)
if id == '' or (ARGV[2] ~= '' and id ~= ARGV[2]) then return {0, 0} end
redis.call('PEXPIRE', entry, ARGV[3])
for at = 6, #ARGV do
  keep_stamp(prefix .. 't:' .. ARGV[at], ARGV[4], tonumber(ARGV[5]))
end
return {1, stamps_written}
