-- @include push
-- @include delayed_score
-- What a child's end means for its parent. All keys are those of the parent's queue, which may be another one.
local function parent_of(parent_json, parent_key)
  if parent_json and parent_json ~= '' then
    local ok, parent = pcall(cjson.decode, parent_json)
    if ok and type(parent) == 'table' and type(parent.queueKey) == 'string'
      and (type(parent.id) == 'string' or type(parent.id) == 'number') then
      parent.prefix = parent.queueKey .. ':'
      parent.key = parent.prefix .. parent.id
      return parent
    end
  end
  if parent_key and parent_key ~= '' then
    local queue_key, id = string.match(parent_key, '^(.*):([^:]+)$')
    if id then return { id = id, prefix = queue_key .. ':', key = parent_key } end
  end
  return nil
end

-- Moves a parent out of waiting-children. Nothing happens unless it waits there.
local function release_parent(parent, now)
  if redis.call('ZREM', parent.prefix .. 'waiting-children', parent.id) == 0 then return end
  local attributes = redis.call('HMGET', parent.key, 'delay', 'priority')
  local delay, priority = tonumber(attributes[1]) or 0, tonumber(attributes[2]) or 0
  local events = parent.prefix .. 'events'
  if delay > 0 then
    local due = now + delay
    redis.call('ZADD', parent.prefix .. 'delayed', due * 4096, parent.id)
    redis.call('XADD', events, '*', 'event', 'delayed', 'jobId', parent.id, 'delay', string.format('%.0f', due))
    mark_due(parent.prefix)
  else
    push(parent.prefix, read_settings(parent.prefix), parent.id, priority, true)
    redis.call('XADD', events, '*', 'event', 'waiting', 'jobId', parent.id, 'prev', 'waiting-children')
  end
end

local function release_if_last(parent, now)
  if redis.call('SCARD', parent.key .. ':dependencies') == 0 then release_parent(parent, now) end
end

-- Reads before writes: what another program left under the parent's keys must stop us before its child is let go.
local function check_parent(parent)
  redis.call('SCARD', parent.key .. ':dependencies')
  redis.call('HLEN', parent.key .. ':processed')
  redis.call('HLEN', parent.key .. ':failed')
  redis.call('ZCARD', parent.key .. ':unsuccessful')
  redis.call('HLEN', parent.key)
  for _, set in ipairs({ 'waiting-children', 'delayed', 'prioritized', 'failed', 'marker' }) do
    redis.call('ZCARD', parent.prefix .. set)
  end
  redis.call('LLEN', parent.prefix .. 'wait')
  redis.call('LLEN', parent.prefix .. 'active')
  redis.call('XLEN', parent.prefix .. 'events')
end

local function child_completed(parent, child_key, value, now)
  check_parent(parent)
  if redis.call('SREM', parent.key .. ':dependencies', child_key) == 0 then return end
  redis.call('HSET', parent.key .. ':processed', child_key, value)
  release_if_last(parent, now)
end

-- A child that is gone no longer holds its parent back.
local function child_removed(parent, child_key, now)
  check_parent(parent)
  if redis.call('SREM', parent.key .. ':dependencies', child_key) == 1 then release_if_last(parent, now) end
end

local function fail_parent(parent, child_key, now)
  if redis.call('EXISTS', parent.key) == 0 then return end
  redis.call('ZADD', parent.key .. ':unsuccessful', now, child_key)
  local was_delayed = redis.call('ZREM', parent.prefix .. 'delayed', parent.id) == 1
  if was_delayed then
    redis.call('HSET', parent.key, 'delay', 0)
    redis.call('ZADD', parent.prefix .. 'waiting-children', now, parent.id)
  end
  if redis.call('ZSCORE', parent.prefix .. 'failed', parent.id) then return end
  redis.call('HSET', parent.key, 'defa', 'child ' .. child_key .. ' failed')
  release_parent(parent, now)
end

local function child_failed(parent, child_key, reason, now)
  if not (parent.fpof or parent.cpof or parent.idof or parent.rdof) then return end
  check_parent(parent)
  if redis.call('SREM', parent.key .. ':dependencies', child_key) == 0 then return end
  if parent.fpof then
    fail_parent(parent, child_key, now)
  elseif parent.cpof then
    redis.call('HSET', parent.key .. ':failed', child_key, reason)
    release_parent(parent, now)
  elseif parent.idof then
    release_if_last(parent, now)
    redis.call('HSET', parent.key .. ':failed', child_key, reason)
  else
    release_if_last(parent, now)
  end
end
