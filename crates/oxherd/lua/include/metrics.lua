-- Counts finished jobs, and one point a minute of them, for `max_points` minutes; a point is written when the
-- first job of a later minute finishes.
local function collect_metrics(key, count, now, max_points)
  local total = redis.call('HINCRBY', key, 'count', count) - count
  local previous = redis.call('HMGET', key, 'prevTS', 'prevCount')
  if not previous[1] then
    redis.call('HSET', key, 'prevTS', now, 'prevCount', 0)
    return
  end
  local minutes = math.min(math.floor((now - tonumber(previous[1])) / 60000), max_points)
  if minutes < 1 then return end
  local points = { total - tonumber(previous[2]) }
  for _ = 2, minutes do points[#points + 1] = 0 end
  for first = 1, #points, 1000 do
    redis.call('LPUSH', key .. ':data', unpack(points, first, math.min(first + 999, #points)))
  end
  redis.call('LTRIM', key .. ':data', 0, max_points - 1)
  redis.call('HSET', key, 'prevTS', now, 'prevCount', total)
end
