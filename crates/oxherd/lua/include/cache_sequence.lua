-- Returns a namespace's incarnation and its count of invalidations; one that is missing makes both anew.
-- Who changes a key last in a turn of the server may not be told by it of changes before that in the same turn. So scripts say what
-- they wrote of this and of the stamps, and their callers take it for changed: 2 all of the namespace, 1 stamps, 0 nothing.
local is_sequence_new = false
local function read_sequence(prefix, fresh)
  local incarnation = redis.call('GET', prefix .. 'n')
  local count = tonumber(redis.call('GET', prefix .. 's') or '')
  if incarnation and #incarnation == 8 and count then return incarnation, count end
  is_sequence_new = true
  redis.call('SET', prefix .. 'n', fresh)
  redis.call('SET', prefix .. 's', '0')
  return fresh, 0
end
