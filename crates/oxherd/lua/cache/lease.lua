-- cache/lease: let one process load what an entry holds, and say as of which moment.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, id of the entry judged unusable (empty: none), token 16 bytes, term_ms int, will wait 0|1,
--        seed of an incarnation 8 bytes, stamp_life_ms int, stamp_least_ms int, then tags as tenant:tag:
-- CLOCK  store
-- RETURN {"changed"} another entry is there | {"marked"} a write is under way | {"busy", remaining_ms int} |
--        {"granted", incarnation, as_of int, written 0|1|2}
-- RESEND safe: the same token is granted again
-- @include cache_sequence
-- @include cache_stamps
-- @include cache_intent
-- @include lease
local prefix, key, seen, token = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local id = redis.call('GETRANGE', prefix .. 'e:' .. key, 4, 19)
if id ~= '' and id ~= seen then return {'changed'} end
if is_marked(prefix .. 'w:' .. key) then return {'marked'} end
local lease = prefix .. 'l:' .. key
local left = lease_take(lease, token, ARGV[4])
if left > 0 then
  if ARGV[5] == '1' then lease_note_waiter(lease) end
  return {'busy', left}
end
local incarnation, count = read_sequence(prefix, ARGV[6])
make_stamps(prefix, 9, count, ARGV[7], tonumber(ARGV[8]))
return {'granted', incarnation, string.format('%.0f', count), is_sequence_new and 2 or stamps_written}
