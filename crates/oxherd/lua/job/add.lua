-- job/add: store new jobs and make them available.
-- KEYS   queue prefix
-- ARGV   now int ms, max_waiting int (0 none), then a job: id string ("" generates one), name string, data JSON,
--        opts JSON, timestamp int ms, delay int ms, priority int, lifo 0|1
-- CLOCK  argument
-- RETURN flat array, two a job: id string, 0 added | 1 was there already | 2 refused, the queue is full
-- RESEND a job with an own id is found by it; without one a resend adds a second job
-- @include store_job
local prefix = KEYS[1]
local max_waiting = tonumber(ARGV[2])
local events = prefix .. 'events'

-- Reads before writes: a foreign key of a wrong type stops the script while nothing is half done.
local settings = read_settings(prefix)
local waiting = redis.call('LLEN', prefix .. 'wait') + redis.call('ZCARD', prefix .. 'prioritized')
  + redis.call('ZCARD', prefix .. 'delayed')
redis.call('ZCARD', prefix .. 'marker')
redis.call('XLEN', events)

if settings.max_events_missing then redis.call('HSET', prefix .. 'meta', 'opts.maxLenEvents', settings.max_events) end

local reply = {}
for first = 3, #ARGV, 8 do
  local id = ARGV[first]
  if max_waiting > 0 and waiting >= max_waiting and not (id ~= '' and redis.call('EXISTS', prefix .. id) == 1) then
    reply[#reply + 1] = id
    reply[#reply + 1] = 2
  else
    local counter = redis.call('INCR', prefix .. 'id')
    local known = false
    if id == '' then
      id = string.format('%.0f', counter)
      -- Another program's key, or a job from before the counter was lost, is passed over.
      for _ = 1, 1000 do
        if redis.call('EXISTS', prefix .. id) == 0 then break end
        id = string.format('%.0f', redis.call('INCR', prefix .. 'id'))
      end
    else
      known = redis.call('EXISTS', prefix .. id) == 1
    end
    if known then
      redis.call('XADD', events, 'MAXLEN', '~', settings.max_events, '*', 'event', 'duplicated', 'jobId', id)
      reply[#reply + 1] = id
      reply[#reply + 1] = 1
    else
      store_job(prefix, settings, {
        id = id, name = ARGV[first + 1], data = ARGV[first + 2], opts = ARGV[first + 3],
        timestamp = ARGV[first + 4], delay = ARGV[first + 5], priority = ARGV[first + 6],
        lifo = ARGV[first + 7] == '1',
      })
      waiting = waiting + 1
      reply[#reply + 1] = id
      reply[#reply + 1] = 0
    end
  end
end
return reply
