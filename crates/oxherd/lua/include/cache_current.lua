-- Whether an entry is of this incarnation, and nothing that it depends on was invalidated since.
local function is_current(prefix, key, entry, incarnation, count)
  if string.sub(entry, 29, 36) ~= incarnation then return false end
  local as_of = tonumber(string.sub(entry, 37, 52))
  for _, name in ipairs(entry_stamps(entry, key)) do
    local stamp = read_stamp(prefix .. 't:' .. name, count)
    if not as_of or not stamp or stamp > as_of then return false end
  end
  return true
end

-- Whether it only says that there is nothing.
local function is_absent(entry)
  return math.floor((string.byte(entry, 4) or 0) / 32) % 2 == 1
end
