-- worker/extend_locks: keep the locks of jobs that still run.
-- KEYS   queue prefix
-- ARGV   lock_ms int, then a job: id string, token string
-- CLOCK  none
-- RETURN ids whose lock is gone or another's
-- RESEND safe
local prefix, lock_ms = KEYS[1], ARGV[1]
local lock_keys = {}
for first = 2, #ARGV, 2 do lock_keys[#lock_keys + 1] = prefix .. ARGV[first] .. ':lock' end
local locks = redis.call('MGET', unpack(lock_keys))
local kept, lost = {}, {}
for index, lock in ipairs(lock_keys) do
  local id, token = ARGV[index * 2], ARGV[index * 2 + 1]
  if locks[index] == token then
    redis.call('SET', lock, token, 'PX', lock_ms)
    kept[#kept + 1] = id
  else
    lost[#lost + 1] = id
  end
end
if #kept > 0 then redis.call('SREM', prefix .. 'stalled', unpack(kept)) end
return lost
