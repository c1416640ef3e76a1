-- cache/remove: make one key a miss, and void the load that is under way for it.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, version 8 bytes (zeros: none), fence_life_ms int, channel prefix
-- CLOCK  store
-- RETURN 1 an entry was removed, 0 there was none, or it has that version or a later one
-- RESEND safe
-- @include cache_version
-- @include cache_notice
local prefix, key, version, channel = KEYS[1], ARGV[1], ARGV[2], ARGV[4]
local entry = prefix .. 'e:' .. key
local present = entry_version(entry)
local is_current = present and version ~= '\0\0\0\0\0\0\0\0' and not is_below(present, version)
end_lease(channel, prefix .. 'l:' .. key)
local removed = 0
if not is_current then
  announce(channel, entry)
  removed = redis.call('UNLINK', entry)
end
-- Last, because a store that is full refuses it, unless something was written before.
raise_fence(prefix .. 'f:' .. key, version, ARGV[3])
return removed
