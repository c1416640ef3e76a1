-- cache/report: keep what a process tells of its cache, and list the process and its namespaces for those who look.
-- KEYS   prefix of what is about all namespaces
-- ARGV   process, report JSON, life_ms int, then name, life_ms int of each namespace
-- CLOCK  store
-- RETURN 0
-- RESEND safe
local prefix, process, life = KEYS[1], ARGV[1], tonumber(ARGV[3])
local processes, namespaces = prefix .. 'processes', prefix .. 'namespaces'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('SET', prefix .. 'r:' .. process .. ':', ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', processes, now + life, process)
for at = 4, #ARGV, 2 do
  -- Whoever keeps it longest decides.
  redis.call('ZADD', namespaces, 'GT', now + tonumber(ARGV[at + 1]), ARGV[at])
end
-- What ended leaves in order: nobody reads what all the others have.
redis.call('ZREMRANGEBYSCORE', processes, '-inf', now)
redis.call('ZREMRANGEBYSCORE', namespaces, '-inf', now)
redis.call('PEXPIRE', processes, life)
return 0
