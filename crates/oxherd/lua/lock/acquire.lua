-- lock/acquire: take a lock with the next fencing number, or say for how long another holds it.
-- KEYS   lease string, fence string ("number owner" of the last holder)
-- ARGV   token 16 bytes, term_ms int, fence_life_ms int, owner string, waits 0|1
-- CLOCK  store (TIME, for the fencing number alone)
-- RETURN {1, fence string, owner string} | {0, remaining_ms int, its holder's owner string}
-- ERROR  LOCK_FENCE    the fence key holds a number that cannot grow
-- RESEND safe: a token that has the lock gets the same answer and another whole term. A copy that comes after the
--        release takes a lock that nobody uses; it ends with its term
-- @include lease
local lease, fence_key = KEYS[1], KEYS[2]
local token, term_ms, fence_life_ms, owner, waits = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'

-- Reads come first, so that a foreign key stops the script while nothing is written.
local is_resent = lease_holds(lease, token)
local last = redis.call('GET', fence_key) or ''
local last_number, last_owner = string.match(last, '^(%d+) ?(.*)$')
local fence = tonumber(last_number or 0)
-- From 2^53 on, a number and the next one are the same.
if fence >= 9007199254740991 then
  return redis.error_reply('LOCK_FENCE the number in ' .. fence_key .. ' cannot grow; another program wrote it, remove the key')
end

local remaining = lease_take(lease, token, term_ms)
if remaining > 0 then
  if waits then lease_note_waiter(lease) end
  return { 0, remaining, last_owner or '' }
end
if not is_resent or not last_number then
  local now = redis.call('TIME')
  -- A counter that was lost goes on from the time, which is ahead of it unless the clock went back.
  fence = math.max(fence + 1, now[1] * 1000000 + now[2])
end
local number = string.format('%.0f', fence)
redis.call('SET', fence_key, number .. ' ' .. owner, 'PX', fence_life_ms)
return { 1, number, owner }
