-- Leases: a key that holds its holder's token of 16 bytes until its term ends. A `+` behind the token says that somebody
-- waits for the end, who is to be told of it; a new holder begins without.
local lease_token_bytes = 16

local function lease_holds(key, token)
  local held = redis.call('GET', key)
  return held ~= false and string.sub(held, 1, lease_token_bytes) == token
end

-- Gives the lease to the token and returns 0, or the ms for which another has it (at least 1; a whole term if no end is
-- set, which only another program does).
-- A token that has it already, because the call was sent again, has it for another whole term.
local function lease_take(key, token, term_ms)
  local held = redis.call('GET', key)
  if not held then
    redis.call('SET', key, token, 'PX', term_ms)
    return 0
  end
  if string.sub(held, 1, lease_token_bytes) ~= token then
    local remaining = redis.call('PTTL', key)
    if remaining < 0 then return tonumber(term_ms) end
    return math.max(remaining, 1)
  end
  redis.call('PEXPIRE', key, term_ms)
  return 0
end

-- Says on the lease that somebody waits for its end; the end stays as it is.
local function lease_note_waiter(key)
  if redis.call('STRLEN', key) == lease_token_bytes then redis.call('APPEND', key, '+') end
end

-- Another whole term, counted from now. False when the lease has ended or is another's: then it is lost for good.
local function lease_renew(key, token, term_ms)
  if not lease_holds(key, token) then return false end
  redis.call('PEXPIRE', key, term_ms)
  return true
end

-- Ends the token's lease. Two answers: whether it had it, and whether somebody waits, who is to be told now.
local function lease_release(key, token)
  local held = redis.call('GET', key)
  if not held or string.sub(held, 1, lease_token_bytes) ~= token then return false, false end
  redis.call('DEL', key)
  return true, #held > lease_token_bytes
end
