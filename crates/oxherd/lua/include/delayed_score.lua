-- A free score for a job due at `due` ms: the ms times 4096 plus a slot, so that jobs due in the same
-- millisecond keep the order in which they came. The last slot is shared once all are taken.
local function delayed_score(delayed_key, due)
  local first = due * 4096
  local last = first + 4095
  local highest = redis.call('ZREVRANGEBYSCORE', delayed_key, last, first, 'WITHSCORES', 'LIMIT', 0, 1)
  if not highest[2] then return first end
  local score = tonumber(highest[2])
  if score < last then return score + 1 end
  return last
end
