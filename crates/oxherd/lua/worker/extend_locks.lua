-- worker/extend_locks: keep the locks of jobs that still run.
-- A lock that expired while the store was away is taken again, as long as nobody else has started the job since.
-- KEYS   queue prefix
-- ARGV   lock_ms int, then a job: id string, token string, starts int (of this attempt)
-- CLOCK  none
-- RETURN ids whose job is another's, or no longer active
-- RESEND safe
local prefix, lock_ms = KEYS[1], ARGV[1]
local lock_keys = {}
for first = 2, #ARGV, 3 do lock_keys[#lock_keys + 1] = prefix .. ARGV[first] .. ':lock' end
local locks = redis.call('MGET', unpack(lock_keys))

local function is_still_ours(id, starts)
  local started = redis.pcall('HGET', prefix .. id, 'ats')
  return started == starts and redis.call('LPOS', prefix .. 'active', id)
end

local kept, lost = {}, {}
for index, lock in ipairs(lock_keys) do
  local first = index * 3 - 1
  local id, token, starts = ARGV[first], ARGV[first + 1], ARGV[first + 2]
  if locks[index] == token or (not locks[index] and is_still_ours(id, starts)) then
    redis.call('SET', lock, token, 'PX', lock_ms)
    kept[#kept + 1] = id
  else
    lost[#lost + 1] = id
  end
end
if #kept > 0 then redis.call('SREM', prefix .. 'stalled', unpack(kept)) end
return lost
