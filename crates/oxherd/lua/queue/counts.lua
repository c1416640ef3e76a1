-- queue/counts: how many jobs are in each state, and how old the oldest waiting one is.
-- KEYS   queue prefix
-- ARGV   none
-- CLOCK  none
-- RETURN {waiting, active, prioritized, delayed, completed, failed, waiting_children, paused 0|1,
--        oldest waiting timestamp ms (-1 none), completed total, failed total (-1 not counted),
--        job schedulers, their earliest next run ms (-1 none)}
-- RESEND safe, it only reads
local prefix = KEYS[1]
local oldest
-- Either end of the list, since lifo jobs come in at the other one, and the most urgent prioritized job.
local candidates = {
  redis.call('LINDEX', prefix .. 'wait', -1), redis.call('LINDEX', prefix .. 'wait', 0),
  redis.call('ZRANGE', prefix .. 'prioritized', 0, 0)[1],
}
for position = 1, 3 do
  local id = candidates[position]
  if id then
    local timestamp = redis.pcall('HGET', prefix .. id, 'timestamp')
    if type(timestamp) == 'string' and tonumber(timestamp) and (not oldest or tonumber(timestamp) < tonumber(oldest)) then
      oldest = timestamp
    end
  end
end
local next_run = redis.call('ZRANGE', prefix .. 'repeat', 0, 0, 'WITHSCORES')[2]
return {
  redis.call('LLEN', prefix .. 'wait') + redis.call('LLEN', prefix .. 'paused'),
  redis.call('LLEN', prefix .. 'active'),
  redis.call('ZCARD', prefix .. 'prioritized'),
  redis.call('ZCARD', prefix .. 'delayed'),
  redis.call('ZCARD', prefix .. 'completed'),
  redis.call('ZCARD', prefix .. 'failed'),
  redis.call('ZCARD', prefix .. 'waiting-children'),
  redis.call('HEXISTS', prefix .. 'meta', 'paused'),
  math.floor(tonumber(oldest or -1)),
  tonumber(redis.call('HGET', prefix .. 'metrics:completed', 'count') or -1),
  tonumber(redis.call('HGET', prefix .. 'metrics:failed', 'count') or -1),
  redis.call('ZCARD', prefix .. 'repeat'),
  math.floor(tonumber(next_run or -1)),
}
