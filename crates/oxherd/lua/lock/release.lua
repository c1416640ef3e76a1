-- lock/release: end a lock and tell who waits for it.
-- KEYS   lease string
-- ARGV   token 16 bytes, channel string
-- CLOCK  none
-- RETURN 1, or 0 when the lock had ended or is another's
-- RESEND safe: 0 the second time
-- @include lease
local lease, token, channel = KEYS[1], ARGV[1], ARGV[2]
local is_released, is_awaited = lease_release(lease, token)
-- A user who may not publish may release all the same: waiters look for themselves.
if is_awaited then redis.pcall('PUBLISH', channel, lease) end
return is_released and 1 or 0
