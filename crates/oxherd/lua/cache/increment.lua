-- cache/increment: add to a counter, which begins at zero when there is none.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, by int, head of a new entry, tail of a new entry without its number, ttl_ms int,
--        seed of an incarnation 8 bytes, stamp_life_ms int, stamp_least_ms int, channel prefix,
--        then the tenant's stamp as tenant:: if there is one
-- CLOCK  store
-- RETURN {outcome, written 0|1|2}: the sum as text | "marked" a write is under way | "other" what is there is no counter | "range" not within 2^53
-- RESEND adds once more
-- @include cache_sequence
-- @include cache_stamps
-- @include cache_intent
-- @include cache_notice
-- @include cache_entry
-- @include cache_current
local prefix, key, by, channel = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[9]
local entry = prefix .. 'e:' .. key
if is_marked(prefix .. 'w:' .. key) then return {'marked', 0} end
local incarnation, count = read_sequence(prefix, ARGV[6])
local present, left = redis.call('GET', entry), redis.call('PTTL', entry)

local function is_valid()
  if not present or string.sub(present, 1, 3) ~= string.sub(ARGV[3], 1, 3) then return false end
  -- Known to be absent: a counter begins at zero.
  if is_absent(present) then return false end
  -- So it does when what is there is only kept for the case that loading fails.
  local _, stale = entry_stamps(present, key)
  -- One that somebody made last for ever is there.
  if left >= 0 and left <= stale then return false end
  return is_current(prefix, key, present, incarnation, count)
end

-- The last number up to which all are told apart.
local most = 9007199254740991
local head, sum = ARGV[3] .. incarnation .. string.format('%016.0f', count) .. ARGV[4], by
local is_kept = is_valid()
if is_kept then
  if string.byte(present, 4) % 4 ~= 3 then return {'other', is_sequence_new and 2 or stamps_written} end
  local digits = string.match(present, '%-?%d+$')
  if not digits then return {'other', is_sequence_new and 2 or stamps_written} end
  sum = tonumber(digits) + by
  if math.abs(tonumber(digits)) > most then sum = most + 1 end
  head = string.sub(present, 1, #present - #digits - 1)
end
if math.abs(sum) > most or math.abs(by) > most then return {'range', is_sequence_new and 2 or stamps_written} end
local text = string.format('%.0f', sum)
make_stamps(prefix, 10, count, ARGV[7], tonumber(ARGV[8]))
if not is_kept or left <= 0 then left = ARGV[5] end
redis.call('SET', entry, head .. string.char(#text) .. text, 'PX', left)
end_lease(channel, prefix .. 'l:' .. key)
announce(channel, entry)
return {text, is_sequence_new and 2 or stamps_written}
