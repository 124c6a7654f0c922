-- KEYS: the log of changes; who may bring it up to date. ARGV: the log that the node knows, and up to which epoch; how many entries at most; the
-- node; after how many milliseconds the log is to be brought up to date, and for how long one node alone may do so.
-- The log is a sorted set by epoch, with which each entry begins. Its first member, at 0, is "log ID EPOCH FLOOR CONFIRMED": it holds what happened after FLOOR up to EPOCH, and the
-- store said at CONFIRMED (microseconds of this server's clock) that there was nothing later.
-- Answers the time, whether this node is to bring the log up to date, ID, EPOCH, FLOOR, CONFIRMED, and what comes after the node's epoch.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local head = redis.call('ZRANGE', KEYS[1], 0, 0)[1] or ''
local id, epoch, floor, confirmed = string.match(head, '^log (%x+) (%d+) (%d+) (%d+)$')
local age = now - tonumber(confirmed or 0)
local mine = 0
if not id or age >= tonumber(ARGV[5]) * 1000 or age < 0 then
  if redis.call('SET', KEYS[2], ARGV[4], 'NX', 'PX', ARGV[6]) then
    mine = 1
  elseif redis.call('GET', KEYS[2]) == ARGV[4] then
    redis.call('PEXPIRE', KEYS[2], ARGV[6])
    mine = 1
  end
end
local answer = { string.format('%.0f', now), mine, id or '', epoch or '0', floor or '0', confirmed or '0' }
local since = tonumber(ARGV[2])
if id == ARGV[1] and since >= tonumber(floor) and since < tonumber(epoch) then
  local entries = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[2], '+inf', 'LIMIT', 0, ARGV[3])
  for _, entry in ipairs(entries) do answer[#answer + 1] = entry end
end
return answer
