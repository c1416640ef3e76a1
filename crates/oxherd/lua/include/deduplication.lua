-- @include store_job
-- Frees the deduplication id of a finished job and starts the job that was stored to follow it.
-- What another program left there may be anything: nonsense is left where it is and the owner finishes all the same.
local function stored_successor(next_key)
  local fields = redis.pcall('HMGET', next_key, 'name', 'data', 'opts', 'jid', 'pk', 'pd', 'pdk', 'rjk')
  if fields.err or not fields[1] then return nil end
  local is_json, options = pcall(cjson.decode, fields[3] or '{}')
  if not is_json or type(options) ~= 'table' then return nil end
  local delay, priority = tonumber(options.delay) or 0, tonumber(options.priority) or 0
  if delay < 0 or priority < 0 or priority > 2097151 then return nil end
  return {
    id = fields[4], name = fields[1], data = fields[2] or '{}', opts = fields[3] or '{}',
    delay = math.floor(delay), priority = math.floor(priority), lifo = options.lifo == true,
    parent_key = fields[5], parent = fields[6], parent_dependencies = fields[7], scheduler = fields[8],
  }
end

local function finish_deduplication(prefix, settings, deduplication_id, id, now)
  local owner_key, next_key = prefix .. 'de:' .. deduplication_id, prefix .. 'dn:' .. deduplication_id
  local owner = redis.pcall('GET', owner_key)
  if type(owner) == 'table' then return end
  local remaining = redis.call('PTTL', owner_key)
  if remaining == 0 or (remaining == -1 and owner == id) then redis.call('DEL', owner_key) end

  local job = stored_successor(next_key)
  if not job then return end
  local counter = string.format('%.0f', redis.call('INCR', prefix .. 'id'))
  -- An id that is a key already would overwrite it.
  if not job.id or job.id == '' or redis.call('EXISTS', prefix .. job.id) == 1 then job.id = counter end
  job.timestamp = string.format('%.0f', now)
  local extra = { 'deid', deduplication_id }
  for field, value in pairs({ parentKey = job.parent_key, parent = job.parent, rjk = job.scheduler }) do
    if value and value ~= '' then
      extra[#extra + 1] = field
      extra[#extra + 1] = value
    end
  end
  redis.call('SET', owner_key, job.id)
  store_job(prefix, settings, job, extra)
  if job.parent_dependencies and job.parent_dependencies ~= '' then
    redis.pcall('SADD', job.parent_dependencies, prefix .. job.id)
  end
  redis.call('DEL', next_key)
end
