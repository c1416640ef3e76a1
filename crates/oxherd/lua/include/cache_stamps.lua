-- Stamps of tags. Their names are ARGV[first..]; one lives `life` ms, and again when fewer than `least` are left, because
-- every change of its expiry is an invalidation to those who listen.
local stamps_written = 0
local function keep_stamp(key, life, least)
  local left = redis.call('PTTL', key)
  if left < 0 or left >= least then return end
  stamps_written = 1
  redis.call('PEXPIRE', key, life)
end

-- The stamp of a tag, or nil; one above the count is from before the sequence was lost.
local function read_stamp(key, count)
  local stamp = tonumber(redis.call('GET', key) or '')
  if stamp and stamp <= count then return stamp end
end

-- Makes the stamps that are missing, as of now.
local function make_stamps(prefix, first, count, life, least)
  for at = first, #ARGV do
    local key = prefix .. 't:' .. ARGV[at]
    if read_stamp(key, count) then
      keep_stamp(key, life, least)
    else
      stamps_written = 1
      redis.call('SET', key, string.format('%.0f', count), 'PX', life)
    end
  end
end
