-- Returns a namespace's incarnation and its count of invalidations; one that is missing makes both anew.
-- Who changes a key last in a turn of the server is not told by it of changes before that in the same turn. So scripts say what
-- they wrote of this and of the stamps, and their callers take it for changed: 2 all of the namespace, 1 stamps, 0 nothing.
-- They end when no process has the namespace open for 30 days (cache/count prolongs them), which is a clearing as any other loss.
local is_sequence_new = false
local function read_sequence(prefix, fresh)
  local incarnation = redis.call('GET', prefix .. 'n')
  local count = tonumber(redis.call('GET', prefix .. 's') or '')
  if incarnation and #incarnation == 8 and count then return incarnation, count end
  is_sequence_new = true
  redis.call('SET', prefix .. 'n', fresh, 'PX', 2592000000)
  redis.call('SET', prefix .. 's', '0', 'PX', 2592000000)
  return fresh, 0
end
