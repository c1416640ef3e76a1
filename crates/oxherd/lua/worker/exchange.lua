-- worker/exchange: hand in jobs that ended and take new ones, in one step.
-- KEYS   queue prefix
-- ARGV   now int ms, token string (lock of the jobs taken), lock_ms int, slots int, worker_name string,
--        limiter_max int (0 none), limiter_ms int, metrics_points int (0 none), resend 0|1, then a job handed in:
--        id string, token string, outcome completed|failed|retry|delay|until|release|limit, value string,
--        stack JSON, keep_count int (-1 all), keep_age int s ("" any), keep_limit int,
--        number int (completed, failed: attempts allowed; retry: lifo 0|1; delay, limit: ms from now;
--        until: due ms), counts 0|1 (retry, delay, until: whether it was an attempt), starts int (of the attempt; fences an expired lock)
-- CLOCK  argument
-- RETURN {codes, taken {{id, hash}…}, rate_limit ms, next_due ms (0 none), dropped ids, faults text}
-- RESEND safe: a job handed in before answers -1, -2, -3 or -6; jobs taken before with this token come back first
-- @include hand_in
-- @include take
-- @include promote_due
-- @include retention
-- @include metrics
local prefix = KEYS[1]
local now = tonumber(ARGV[1])
local token, slots = ARGV[2], tonumber(ARGV[4])
local limiter_max, limiter_ms = tonumber(ARGV[6]), tonumber(ARGV[7])
local metrics_points, resend = tonumber(ARGV[8]), ARGV[9] == '1'
local fields_a_job, first_job = 11, 10

-- Reads before writes: a foreign key of a wrong type stops the script while nothing is half done.
local settings = read_settings(prefix)
redis.call('LLEN', prefix .. 'wait')
redis.call('LLEN', prefix .. 'active')
redis.call('ZCARD', prefix .. 'prioritized')
redis.call('ZCARD', prefix .. 'marker')
redis.call('XLEN', prefix .. 'events')
if #ARGV >= first_job then
  redis.call('ZCARD', prefix .. 'completed')
  redis.call('ZCARD', prefix .. 'failed')
  redis.call('SCARD', prefix .. 'stalled')
end

promote_due(prefix, settings, now)

local codes, ended, faults = {}, { completed = 0, failed = 0 }, {}

-- What goes wrong with one job (a key of its parent holds nonsense) must not hold up the others.
local function guarded(what, action, ...)
  local ok, result = pcall(action, ...)
  if ok then return result end
  faults[#faults + 1] = what .. ': ' .. tostring(type(result) == 'table' and result.err or result)
  return nil
end

if #ARGV >= first_job then
  local lock_keys = {}
  for first = first_job, #ARGV, fields_a_job do lock_keys[#lock_keys + 1] = prefix .. ARGV[first] .. ':lock' end
  local locks = redis.call('MGET', unpack(lock_keys))
  local settled_locks, settled_ids, keeps = {}, {}, {}
  for first = first_job, #ARGV, fields_a_job do
    local index = #codes + 1
    local job = {
      id = ARGV[first], token = ARGV[first + 1], outcome = ARGV[first + 2], value = ARGV[first + 3],
      stack = ARGV[first + 4],
      keep = {
        count = tonumber(ARGV[first + 5]), age = tonumber(ARGV[first + 6]), limit = tonumber(ARGV[first + 7]),
      },
      number = tonumber(ARGV[first + 8]), counts = ARGV[first + 9] == '1', starts = ARGV[first + 10],
    }
    local code = guarded('job ' .. job.id, hand_in, prefix, settings, now, job, locks[index])
    if not code then
      code = -21
      if job.is_off_active then redis.call('LPUSH', prefix .. 'active', job.id) end
    end
    codes[index] = code
    -- It cannot complete as things are and comes back with a failure; until then it keeps its slot.
    if code == -4 or code == -9 then slots = slots - 1 end
    if code == 0 then
      settled_locks[#settled_locks + 1] = lock_keys[index]
      settled_ids[#settled_ids + 1] = job.id
      if ended[job.outcome] then
        ended[job.outcome] = ended[job.outcome] + 1
        if job.keep.count > 0 or job.keep.age then
          local key = job.outcome .. ' ' .. job.keep.count .. ' ' .. (job.keep.age or '') .. ' ' .. job.keep.limit
          keeps[key] = job
        end
      end
    end
  end
  if #settled_ids > 0 then
    redis.call('DEL', unpack(settled_locks))
    redis.call('SREM', prefix .. 'stalled', unpack(settled_ids))
    redis.call('XTRIM', prefix .. 'events', 'MAXLEN', '~', settings.max_events)
  end
  for _, job in pairs(keeps) do
    guarded('retention', apply_retention, prefix, prefix .. job.outcome, job.keep, now)
  end
  for outcome, count in pairs(ended) do
    if metrics_points > 0 and count > 0 then
      guarded('metrics', collect_metrics, prefix .. 'metrics:' .. outcome, count, now, metrics_points)
    end
  end
end

local taken, dropped, rate_limit = {}, {}, 0
if resend then
  local active = redis.call('LRANGE', prefix .. 'active', 0, -1)
  for _, id in ipairs(active) do
    if redis.call('GET', prefix .. id .. ':lock') == token then
      taken[#taken + 1] = { id, redis.call('HGETALL', prefix .. id) }
      -- Their handlers begin only now.
      redis.call('SET', prefix .. id .. ':lock', token, 'PX', ARGV[3])
      redis.call('SREM', prefix .. 'stalled', id)
      slots = slots - 1
    end
  end
end
if slots > 0 then
  local fresh
  fresh, dropped, rate_limit = take(prefix, settings, now, {
    token = token, lock_ms = ARGV[3], slots = slots, worker_name = ARGV[5],
    limiter_max = limiter_max > 0 and limiter_max or nil,
    limiter_ms = limiter_ms > 0 and limiter_ms or nil,
  })
  for _, job in ipairs(fresh) do taken[#taken + 1] = job end
end

local due = 0
if #taken == 0 then
  due = next_due(prefix) or 0
  local finished = ended.completed + ended.failed
  if finished > 0 and slots > 0 and rate_limit == 0 and due == 0 and not settings.paused
    and redis.call('LLEN', prefix .. 'wait') == 0 and redis.call('LLEN', prefix .. 'active') == 0
    and redis.call('ZCARD', prefix .. 'prioritized') == 0 then
    redis.call('XADD', prefix .. 'events', '*', 'event', 'drained')
  end
end
return { codes, taken, rate_limit, math.floor(due), dropped, faults }
