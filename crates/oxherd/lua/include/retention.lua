-- @include erase_job
-- Forgets finished jobs beyond the kept age and count: at most 1000 by count and `limit` by age a call, the
-- rest with the next ones, so that a lowered limit never stops the server.
local function erase_all(prefix, target, ids, now)
  if #ids == 0 then return end
  for _, id in ipairs(ids) do erase_job(prefix, id, now) end
  redis.call('ZREM', target, unpack(ids))
end

local function apply_retention(prefix, target, keep, now)
  if keep.age then
    local oldest = now - keep.age * 1000
    erase_all(prefix, target, redis.call('ZREVRANGEBYSCORE', target, oldest, 0, 'LIMIT', 0, math.min(keep.limit, 1000)), now)
  end
  if keep.count > 0 then
    local beyond = redis.call('ZCARD', target) - keep.count
    if beyond > 0 then
      erase_all(prefix, target, redis.call('ZRANGE', target, 0, math.min(beyond, 1000) - 1), now)
    end
  end
end
