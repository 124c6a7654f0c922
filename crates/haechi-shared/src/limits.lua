-- KEYS: what is counted for. ARGV, five for each: n, and two spans of time as whole microseconds and as parts of n of one more: the
-- time that a request stands for, and how far ahead of now the requests may reach.
-- Kept of each: until when the requests that were let through reach ("MICROSECONDS:PARTS"). Numbers stay below 2^53, so that they are exact.
-- Answers whether all are within, and for each: whether it is, and how far the requests reach from now, as microseconds and parts.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local reach, parts, counted = {}, {}, {}
local answer, all = {}, 1

for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local n = tonumber(ARGV[at + 1])
  local step, step_parts = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local most, most_parts = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local q, r = reach[key], parts[key]
  if not q then
    local kept = redis.call('GET', key)
    local whole, rest = string.match(kept or '', '^(%d+):(%d+)$')
    q, r = tonumber(whole or 0), tonumber(rest or 0)
  end
  if r >= n then q, r = q + 1, 0 end
  if q < now then q, r = now, 0 end
  if q - now > most or (q - now == most and r > most_parts) then q, r = now + most, most_parts end
  local next_q, next_r = q + step, r + step_parts
  if next_r >= n then next_q, next_r = next_q + 1, next_r - n end
  local within = next_q - now < most or (next_q - now == most and next_r <= most_parts)
  if not within then all = 0 end
  counted[i] = { q - now, r, next_q - now, next_r, within and 1 or 0 }
  reach[key], parts[key] = within and next_q or q, within and next_r or r
end

answer[1] = all
for i, key in ipairs(KEYS) do
  local found = counted[i]
  answer[#answer + 1] = found[5]
  answer[#answer + 1] = all == 1 and found[3] or found[1]
  answer[#answer + 1] = all == 1 and found[4] or found[2]
  if all == 1 then
    local left = math.ceil((reach[key] - now) / 1000) + 1
    redis.call('SET', key, string.format('%.0f:%.0f', reach[key], parts[key]), 'PX', string.format('%.0f', left))
  end
end
return answer
