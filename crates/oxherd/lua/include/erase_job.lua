-- @include parent
-- Deletes what belongs to one job. Its place in a state is the caller's to clear.
local function free_deduplication(prefix, deduplication_id, id)
  local key = prefix .. 'de:' .. deduplication_id
  if redis.pcall('GET', key) == id then redis.call('DEL', key, prefix .. 'dn:' .. deduplication_id) end
end

local function erase_keys(key)
  redis.call('DEL', key, key .. ':logs', key .. ':dependencies', key .. ':processed', key .. ':failed',
    key .. ':unsuccessful')
end

local function erase_job(prefix, id, now)
  local key = prefix .. id
  local links = redis.pcall('HMGET', key, 'parent', 'parentKey', 'deid')
  if not links.err then
    local parent = parent_of(links[1], links[2])
    if parent then child_removed(parent, key, now) end
    if links[3] then free_deduplication(prefix, links[3], id) end
  end
  erase_keys(key)
end
