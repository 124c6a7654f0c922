-- KEYS: of the name and address together, of the address, of the name; of who is known; of when the name was unlocked. ARGV: what happened (look, failed,
-- succeeded, unlocked); how long a lock
-- lasts; how many failures lock each of the three, 0 where it is not counted; how long failures and who is known are remembered (all milliseconds).
-- Kept of each of the three: "FAILURES SINCE LOCKED-UNTIL". Answers the failures of the first, for how long each is locked, and whether it is known.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lasts = tonumber(ARGV[2])
if ARGV[1] == 'succeeded' then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[4], '1', 'PX', ARGV[7])
end
if ARGV[1] == 'unlocked' then
  redis.call('SET', KEYS[5], string.format('%.0f', now), 'PX', ARGV[7])
  return {0, 0, 0, 0, 0}
end
-- What began before the name was unlocked counts no more.
local unlocked = tonumber(redis.call('GET', KEYS[5]) or -1)
local answer = {}
for i = 1, 3 do
  local kept = string.gmatch(redis.call('GET', KEYS[i]) or '', '%d+')
  local failures, since, locked = tonumber(kept() or 0), tonumber(kept() or now), tonumber(kept() or 0)
  -- The first counts since the last success, the others within the time that a lock lasts.
  local is_over = i > 1 and lasts > 0 and now - since > lasts
  local is_forgiven = i ~= 2 and since <= unlocked and since < now
  if is_over or is_forgiven or since > now or (locked > 0 and locked <= now) then failures, since, locked = 0, now, 0 end
  local most = tonumber(ARGV[2 + i])
  if ARGV[1] == 'failed' and most > 0 then
    failures = failures + 1
    if failures >= most and locked == 0 then locked = now + lasts end
    local left = i == 1 and math.max(lasts, tonumber(ARGV[6])) or lasts
    local text = string.format('%.0f %.0f %.0f', failures, since, locked)
    redis.call('SET', KEYS[i], text, 'PX', string.format('%.0f', left))
  end
  if i == 1 then answer[1] = failures end
  answer[i + 1] = math.max(locked - now, 0)
end
answer[5] = redis.call('EXISTS', KEYS[4])
return answer
