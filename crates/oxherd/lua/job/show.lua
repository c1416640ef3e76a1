-- job/show: everything about one job at one moment.
-- KEYS   queue prefix
-- ARGV   id string
-- CLOCK  none
-- RETURN nil when there is no such job; else {hash, state string ("unknown" in no list), lock_ms int, log rows int}
-- RESEND safe, it only reads
-- @include state_of
-- @include is_job
local prefix, id = KEYS[1], ARGV[1]
local state = state_of(prefix, id)
if not is_job(prefix .. id) and not (state and redis.call('TYPE', prefix .. id)['ok'] == 'hash') then return false end
return {
  redis.call('HGETALL', prefix .. id), state or 'unknown', math.max(redis.call('PTTL', prefix .. id .. ':lock'), 0),
  redis.call('LLEN', prefix .. id .. ':logs'),
}
