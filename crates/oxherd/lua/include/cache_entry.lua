-- The tags in the header of an entry, as TENANT:TAG: of each, the tenant's own first. Numbers before them are varints: seven bits
-- a byte, the lowest first, the high bit says that more follow. What makes no sense ends it. Besides, for how many ms it is kept
-- after it was fresh.
local function entry_stamps(entry, key)
  local tenant, at, stamps = string.match(key, '^[^:]*'), 61, {}
  local function number()
    local value, scale = 0, 1
    for _ = 1, 9 do
      local byte = string.byte(entry, at)
      if not byte then return nil end
      at = at + 1
      value = value + (byte % 128) * scale
      if byte < 128 then return value end
      scale = scale * 128
    end
  end
  if tenant ~= '' then stamps[1] = tenant .. '::' end
  number()
  local stale = math.max(number() or 0, number() or 0)
  number()
  local count = number() or 0
  for _ = 1, math.min(count, 32) do
    local length = number()
    if not length then return stamps, stale end
    stamps[#stamps + 1] = tenant .. ':' .. string.sub(entry, at, at + length - 1) .. ':'
    at = at + length
  end
  return stamps, stale
end
