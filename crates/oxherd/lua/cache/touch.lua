-- cache/touch: keep an entry that is valid, and the stamps it depends on, for another while; never for a shorter one.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, id of the entry 16 bytes (empty: whichever), ttl_ms int, stamp_life_ms int, stamp_least_ms int
-- CLOCK  store
-- RETURN {1, or 0 there is no such entry, or it was invalidated or says that there is nothing; written 0|2}
-- RESEND safe
-- @include cache_stamps
-- @include cache_entry
-- @include cache_current
local prefix, entry = KEYS[1], KEYS[1] .. 'e:' .. ARGV[1]
-- A header is never longer.
local head = redis.call('GETRANGE', entry, 0, 8191)
local id = string.sub(head, 5, 20)
if id == '' or (ARGV[2] ~= '' and id ~= ARGV[2]) then return {0, 0} end
local incarnation, count = redis.call('GET', prefix .. 'n'), tonumber(redis.call('GET', prefix .. 's') or '')
if not count or is_absent(head) or not is_current(prefix, ARGV[1], head, incarnation, count) then return {0, 0} end
if redis.call('PTTL', entry) < tonumber(ARGV[3]) then redis.call('PEXPIRE', entry, ARGV[3]) end
for _, stamp in ipairs(entry_stamps(head, ARGV[1])) do
  keep_stamp(prefix .. 't:' .. stamp, ARGV[4], tonumber(ARGV[5]))
end
return {1, stamps_written * 2}
