-- Versions are 8 bytes, the highest first; strings are compared by the server's locale, so not as strings.
local function is_below(version, other)
  for at = 1, 8 do
    local left, right = string.byte(version, at), string.byte(other, at)
    if left ~= right then return left < right end
  end
  return false
end

-- The version of the entry at this key; nil when there is none, or it has none.
local function entry_version(key)
  local version = redis.call('GETRANGE', key, 20, 27)
  if #version == 8 and version ~= '\0\0\0\0\0\0\0\0' then return version end
end

-- The version that keeps something of this version from being written; nil if none does. What has no version is kept out by voided
-- leases alone; who wants fences for it too does not send it here.
local function newer_than(fence_key, key, version)
  local fence = redis.call('GET', fence_key)
  -- Also says that the key is another program's.
  local present = entry_version(key)
  if version == '\0\0\0\0\0\0\0\0' then return nil end
  if fence and #fence == 8 and is_below(version, fence) then return fence end
  if present and is_below(version, present) then return present end
end

local function raise_fence(fence_key, version, life)
  if version == '\0\0\0\0\0\0\0\0' then return end
  local fence = redis.call('GET', fence_key)
  if fence and #fence == 8 and is_below(version, fence) then version = fence end
  redis.call('SET', fence_key, version, 'PX', life)
end
