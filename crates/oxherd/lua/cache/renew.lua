-- cache/renew: keep a lease for another term while its load goes on.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, token 16 bytes, term_ms int
-- CLOCK  store
-- RETURN 1, or 0 the lease is not ours any more
-- RESEND safe
-- @include lease
return lease_renew(KEYS[1] .. 'l:' .. ARGV[1], ARGV[2], ARGV[3]) and 1 or 0
