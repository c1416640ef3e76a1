-- @include store_job
-- Frees the deduplication id of a finished job and starts the job that was stored to follow it.
local function finish_deduplication(prefix, settings, deduplication_id, id, now)
  local owner_key, next_key = prefix .. 'de:' .. deduplication_id, prefix .. 'dn:' .. deduplication_id
  local remaining = redis.call('PTTL', owner_key)
  if remaining == 0 or (remaining == -1 and redis.call('GET', owner_key) == id) then redis.call('DEL', owner_key) end

  local stored = redis.call('HMGET', next_key, 'name', 'data', 'opts', 'jid', 'pk', 'pd', 'pdk', 'rjk')
  if not stored[1] then return end
  local counter = redis.call('INCR', prefix .. 'id')
  local next_id = stored[4] or string.format('%.0f', counter)
  local options = cjson.decode(stored[3] or '{}')
  local extra = { 'deid', deduplication_id }
  for position, field in pairs({ [5] = 'parentKey', [6] = 'parent', [8] = 'rjk' }) do
    if stored[position] and stored[position] ~= '' then
      extra[#extra + 1] = field
      extra[#extra + 1] = stored[position]
    end
  end
  redis.call('SET', owner_key, next_id)
  store_job(prefix, settings, {
    id = next_id, name = stored[1], data = stored[2] or '{}', opts = stored[3] or '{}',
    timestamp = string.format('%.0f', now), delay = options.delay or 0, priority = options.priority or 0,
    lifo = options.lifo and true or false,
  }, extra)
  if stored[7] and stored[7] ~= '' then redis.call('SADD', stored[7], prefix .. next_id) end
  redis.call('DEL', next_key)
end
