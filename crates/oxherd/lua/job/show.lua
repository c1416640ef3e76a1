-- job/show: everything about one job at one moment.
-- KEYS   queue prefix
-- ARGV   id string
-- CLOCK  none
-- RETURN nil when there is no such job; else {hash, state string ("unknown" in no list), lock_ms int, log rows int}
-- ERROR  WRONGTYPE     the key under this id is no hash
-- RESEND safe, it only reads
-- @include state_of
local prefix, id = KEYS[1], ARGV[1]
local hash = redis.call('HGETALL', prefix .. id)
if #hash == 0 then return false end
return {
  hash, state_of(prefix, id) or 'unknown', math.max(redis.call('PTTL', prefix .. id .. ':lock'), 0),
  redis.call('LLEN', prefix .. id .. ':logs'),
}
