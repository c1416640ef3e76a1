local is_sequence_new = false
-- 30 days.
local sequence_life = 2592000000

-- A namespace's next incarnation: one that never was. What the caller brings is not enough, for he brings the same again when he sends
-- again, and entries of the first time would be valid once more.
local function next_incarnation(prefix, seed)
  local time = redis.call('TIME')
  local digest = redis.sha1hex(seed .. (redis.call('GET', prefix .. 'n') or '') .. time[1] .. '.' .. time[2])
  local bytes = string.gsub(string.sub(digest, 1, 16), '..', function(pair) return string.char(tonumber(pair, 16)) end)
  return bytes
end

-- Returns a namespace's incarnation and its count of invalidations; one that is missing makes both anew.
-- Who changes a key last in a turn of the server may not be told by it of changes before that in the same turn. So scripts say what
-- they wrote of this and of the stamps, and their callers take it for changed: 2 all of the namespace, 1 stamps, 0 nothing.
-- They end when no process has the namespace open for 30 days (cache/count prolongs them), which is a clearing as any other loss.
local function read_sequence(prefix, seed)
  local incarnation = redis.call('GET', prefix .. 'n')
  local count = tonumber(redis.call('GET', prefix .. 's') or '')
  if incarnation and #incarnation == 8 and count then return incarnation, count end
  is_sequence_new = true
  incarnation = next_incarnation(prefix, seed)
  redis.call('SET', prefix .. 'n', incarnation, 'PX', sequence_life)
  redis.call('SET', prefix .. 's', '0', 'PX', sequence_life)
  return incarnation, 0
end
