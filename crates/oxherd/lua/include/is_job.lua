-- Whether a hash is a job's: the queue's own keys and other programs' have neither a name nor a timestamp.
local function is_job(key)
  if redis.call('TYPE', key)['ok'] ~= 'hash' then return false end
  local fields = redis.call('HMGET', key, 'name', 'timestamp')
  return (fields[1] or fields[2]) and true or false
end
