-- job/log: append a row to a job's log.
-- KEYS   queue prefix
-- ARGV   id string, row string, keep int (0 all)
-- CLOCK  none
-- RETURN rows kept, or -1 job missing
-- RESEND appends the row again
-- @include is_job
local prefix, id, keep = KEYS[1], ARGV[1], tonumber(ARGV[3])
local logs = prefix .. id .. ':logs'
if not is_job(prefix .. id) then return -1 end
local rows = redis.call('RPUSH', logs, ARGV[2])
if keep > 0 and rows > keep then
  redis.call('LTRIM', logs, -keep, -1)
  return keep
end
return rows
