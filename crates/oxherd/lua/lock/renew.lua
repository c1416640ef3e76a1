-- lock/renew: keep a lock for another whole term.
-- KEYS   lease string, fence string
-- ARGV   token 16 bytes, term_ms int, fence_life_ms int
-- CLOCK  none
-- RETURN 1, or 0 when the lock has ended or is another's
-- RESEND safe
-- @include lease
local lease, fence_key = KEYS[1], KEYS[2]
local token, term_ms, fence_life_ms = ARGV[1], ARGV[2], ARGV[3]
if not lease_renew(lease, token, term_ms) then return 0 end
redis.call('PEXPIRE', fence_key, fence_life_ms)
return 1
