-- cache/release: give a lease back without a value.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, token 16 bytes, channel prefix
-- CLOCK  none
-- RETURN 1, or 0 the lease is not ours
-- RESEND safe
-- @include cache_notice
-- @include lease
local lease = KEYS[1] .. 'l:' .. ARGV[1]
if not lease_holds(lease, ARGV[2]) then return 0 end
end_lease(ARGV[3], lease)
return 1
