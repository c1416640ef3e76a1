-- queue/jobs: one page of the jobs in a state.
-- KEYS   queue prefix
-- ARGV   state string, offset int, limit int (at most 1000)
-- CLOCK  none
-- RETURN {total int, {id, hash}…}: next out first, finished ones newest first; an empty hash where the job's is gone
-- RESEND safe, it only reads
local prefix, state = KEYS[1], ARGV[1]
local offset, limit = tonumber(ARGV[2]), math.min(tonumber(ARGV[3]), 1000)
local ids, total = {}, 0
if limit <= 0 then
  local counter = (state == 'waiting' or state == 'active') and 'LLEN' or 'ZCARD'
  return { redis.call(counter, prefix .. (state == 'waiting' and 'wait' or state)) }
end
if state == 'waiting' then
  -- Next out is the tail of the list.
  local tail_first = redis.call('LRANGE', prefix .. 'wait', -(offset + limit), -(offset + 1))
  for position = #tail_first, 1, -1 do ids[#ids + 1] = tail_first[position] end
  total = redis.call('LLEN', prefix .. 'wait')
elseif state == 'active' then
  ids = redis.call('LRANGE', prefix .. 'active', offset, offset + limit - 1)
  total = redis.call('LLEN', prefix .. 'active')
else
  local newest_first = state == 'completed' or state == 'failed'
  ids = redis.call(newest_first and 'ZREVRANGE' or 'ZRANGE', prefix .. state, offset, offset + limit - 1)
  total = redis.call('ZCARD', prefix .. state)
end
local reply = { total }
for _, id in ipairs(ids) do
  local hash = redis.pcall('HGETALL', prefix .. id)
  reply[#reply + 1] = { id, hash.err and {} or hash }
end
return reply
