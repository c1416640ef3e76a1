-- The state a job is in, or nil. Sorted sets first: they answer without walking a list.
local function state_of(prefix, id)
  for _, state in ipairs({ 'completed', 'failed', 'delayed', 'prioritized', 'waiting-children' }) do
    if redis.call('ZSCORE', prefix .. state, id) then return state end
  end
  if redis.call('LPOS', prefix .. 'active', id) then return 'active' end
  if redis.call('LPOS', prefix .. 'wait', id) or redis.call('LPOS', prefix .. 'paused', id) then return 'waiting' end
  return nil
end
