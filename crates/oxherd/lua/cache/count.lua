-- cache/count: add what a process counted to the totals of a namespace, and keep the namespace known.
-- KEYS   namespace prefix
-- ARGV   process, counted_life_ms int, settings JSON (empty: none), life_ms int of the namespace,
--        then of each number its name, what the process counted so far, and as much of it as the store has confirmed
-- CLOCK  none
-- RETURN 0
-- RESEND safe: the store keeps how far it counted a process; only when that is lost, what was confirmed serves
local prefix, process, life = KEYS[1], ARGV[1], tonumber(ARGV[4])
local totals, counted = prefix .. 'c', prefix .. 'p:' .. process .. ':'
if ARGV[3] ~= '' then redis.call('HSET', totals, 'settings', ARGV[3]) end
for at = 5, #ARGV, 3 do
  local before = tonumber(redis.call('HGET', counted, ARGV[at]) or ARGV[at + 2])
  local more = tonumber(ARGV[at + 1]) - before
  if more > 0 then
    redis.call('HINCRBY', totals, ARGV[at], string.format('%.0f', more))
    redis.call('HSET', counted, ARGV[at], ARGV[at + 1])
  end
end
redis.call('PEXPIRE', counted, ARGV[2])
redis.call('PEXPIRE', totals, life)
-- What ends with them is the namespace, all of it: seldom, because whoever listens takes it for a clearing.
for _, name in ipairs({'n', 's'}) do
  local left = redis.call('PTTL', prefix .. name)
  if left ~= -2 and left < life / 2 then redis.call('PEXPIRE', prefix .. name, life) end
end
return 0
