-- Whether a hash is a job's: every job has a timestamp, and no other hash of the queue does.
local function is_job(key)
  return redis.call('TYPE', key)['ok'] == 'hash' and redis.call('HEXISTS', key, 'timestamp') == 1
end
