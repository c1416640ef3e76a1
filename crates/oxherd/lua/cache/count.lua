-- cache/count: add what a process counted to the totals of a namespace, and keep the namespace known.
-- KEYS   namespace prefix
-- ARGV   process, counted_life_ms int, settings JSON (empty: none), life_ms int of the namespace,
--        then of each number its name, what the process counted so far, and as much of it as the store has confirmed
-- CLOCK  none
-- RETURN {a key that is no hash, for which nothing was counted, and its type; or twice nothing; names of numbers whose total is none}
-- RESEND safe: the store keeps how far it counted a process; only when that is lost, what was confirmed serves
local prefix, process, life = KEYS[1], ARGV[1], tonumber(ARGV[4])
local totals, counted = prefix .. 'c', prefix .. 'p:' .. process .. ':'
local outcome = {'', ''}

-- What the store can add to without leaving its range.
local function is_number(text)
  return text == '0' or (#text < 19 and string.find(text, '^%-?[1-9]%d*$') ~= nil)
end

local function count_on(name, so_far, confirmed)
  local before = redis.call('HGET', counted, name)
  if not before or not is_number(before) then before = confirmed end
  local more = tonumber(so_far) - tonumber(before)
  if more <= 0 then return end
  if not is_number(redis.call('HGET', totals, name) or '0') then
    outcome[#outcome + 1] = name
    return
  end
  redis.call('HINCRBY', totals, name, string.format('%.0f', more))
  redis.call('HSET', counted, name, so_far)
end

-- What another program put there is left alone.
for _, key in ipairs({totals, counted}) do
  local kind = redis.call('TYPE', key)['ok']
  if kind ~= 'none' and kind ~= 'hash' then outcome = {key, kind} end
end
if outcome[1] == '' then
  if ARGV[3] ~= '' then redis.call('HSET', totals, 'settings', ARGV[3]) end
  for at = 5, #ARGV, 3 do count_on(ARGV[at], ARGV[at + 1], ARGV[at + 2]) end
  redis.call('PEXPIRE', counted, ARGV[2])
  redis.call('PEXPIRE', totals, life)
end
-- What ends with them is the namespace, all of it: seldom, because whoever listens takes it for a clearing.
for _, name in ipairs({'n', 's'}) do
  local left = redis.call('PTTL', prefix .. name)
  if left ~= -2 and left < life / 2 then redis.call('PEXPIRE', prefix .. name, life) end
end
return outcome
