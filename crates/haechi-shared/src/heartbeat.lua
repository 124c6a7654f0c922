-- KEYS[1]: the nodes, by when they were last heard of (milliseconds of this server's clock). ARGV: our name; for how long a node is known.
-- Answers how many there are.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - kept)
-- The clock was set back.
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + kept, '+inf')
redis.call('PEXPIRE', KEYS[1], kept)
return redis.call('ZCARD', KEYS[1])
