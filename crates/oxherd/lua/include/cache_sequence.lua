-- Returns a namespace's incarnation and its count of invalidations; one that is missing makes both anew.
local function read_sequence(prefix, fresh)
  local incarnation = redis.call('GET', prefix .. 'n')
  local count = tonumber(redis.call('GET', prefix .. 's') or '')
  if incarnation and #incarnation == 8 and count then return incarnation, count end
  redis.call('SET', prefix .. 'n', fresh)
  redis.call('SET', prefix .. 's', '0')
  return fresh, 0
end
