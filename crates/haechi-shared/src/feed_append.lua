-- KEYS: the log of changes (see feed_read.lua). ARGV: the log that the node knows; the one that it shall be (the same, or a new and empty one);
-- from which epoch to which; when the store said so (0 where there is more to come); how many entries are kept; the channel; the entries.
-- Answers 1, or 0 where the log is another one by now.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local head = redis.call('ZRANGE', KEYS[1], 0, 0)[1] or ''
local id, epoch, floor, confirmed = string.match(head, '^log (%x+) (%d+) (%d+) (%d+)$')
if (id or '') ~= ARGV[1] then return 0 end
local from, to, said = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local told = false
if ARGV[2] ~= ARGV[1] or not id then
  redis.call('DEL', KEYS[1])
  epoch, floor, confirmed, told = to, to, said, true
else
  epoch, floor, confirmed = tonumber(epoch), tonumber(floor), tonumber(confirmed)
  redis.call('ZREM', KEYS[1], head)
  if epoch == from then
    for i = 8, #ARGV do redis.call('ZADD', KEYS[1], ARGV[4], ARGV[4] .. ' ' .. i .. ' ' .. ARGV[i]) end
    -- Who is told comes for all of it, so nobody is told before it is all there.
    told = #ARGV >= 8 and said > 0
    epoch = to
  elseif epoch < to then
    redis.call('ZADD', KEYS[1], 0, head)
    return 0
  end
  local beyond = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[6])
  if beyond > 0 then
    floor = tonumber(redis.call('ZRANGE', KEYS[1], beyond - 1, beyond - 1, 'WITHSCORES')[2])
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, beyond - 1)
  end
  if said > confirmed or confirmed > now then confirmed = math.max(said, 0) end
end
redis.call('ZADD', KEYS[1], 0, string.format('log %s %.0f %.0f %.0f', ARGV[2], epoch, floor, confirmed))
redis.call('PEXPIRE', KEYS[1], 86400000)
if told then redis.call('PUBLISH', ARGV[7], '') end
return 1
