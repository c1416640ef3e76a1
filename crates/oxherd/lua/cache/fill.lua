-- cache/fill: keep what was loaded under a lease, unless something that concerns it was invalidated since.
-- KEYS   namespace prefix
-- ARGV   tenant:key:, token 16 bytes, incarnation 8 bytes, as_of int, version 8 bytes, entry, ttl_ms int,
--        stamp_life_ms int, stamp_least_ms int, channel prefix, then tags as tenant:tag:
-- CLOCK  store
-- RETURN {outcome, written 0|1}: "taken" | "outdated VERSION" the newer one in hex, whoever has the lease |
--        "void" the lease is not ours | "marked" | "cleared" | "invalidated" a tag
-- RESEND safe: the second copy finds the lease gone and is refused
-- @include cache_stamps
-- @include cache_intent
-- @include cache_version
-- @include cache_notice
-- @include lease
local prefix, key, token = KEYS[1], ARGV[1], ARGV[2]
local entry, lease, channel = prefix .. 'e:' .. key, prefix .. 'l:' .. key, ARGV[10]
local as_of, life, least = tonumber(ARGV[4]), ARGV[8], tonumber(ARGV[9])
local newer = newer_than(prefix .. 'f:' .. key, entry, ARGV[5])
if newer then newer = 'outdated ' .. string.format(string.rep('%02x', 8), string.byte(newer, 1, 8)) end
if not lease_holds(lease, token) then return {newer or 'void', 0} end
if newer then
  -- First, for this answers even those who would be answered whatever else refuses it; and before anything that a full store refuses.
  end_lease(channel, lease)
  return {newer, 0}
end
local count = tonumber(redis.call('GET', prefix .. 's') or '')

local function refusal()
  if is_marked(prefix .. 'w:' .. key) then return 'marked' end
  if not count or redis.call('GET', prefix .. 'n') ~= ARGV[3] then return 'cleared' end
  if count == as_of then return end
  for at = 11, #ARGV do
    local stamp = read_stamp(prefix .. 't:' .. ARGV[at], count)
    if not stamp or stamp > as_of then return 'invalidated' end
  end
end

local reason = refusal()
if count then make_stamps(prefix, 11, count, life, least) end
if not reason then
  redis.call('SET', entry, ARGV[6], 'PX', ARGV[7])
  announce(channel, entry)
end
end_lease(channel, lease)
return {reason or 'taken', stamps_written}
