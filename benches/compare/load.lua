-- The load of one round. Arguments: a file with one request per line (`path` or `path<TAB>token`), and `cycle` or `once`.
-- One line is sent unchanged for ever; many lines are sent in turn, and `once` stops after the last.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function formatted(line)
  local path, token = line:match("^([^\t]+)\t?(.*)$")
  local headers = {}
  for name, value in pairs(wrk.headers) do headers[name] = value end
  if token ~= "" then headers["Authorization"] = "Bearer " .. token end
  return wrk.format("GET", path, headers)
end

function init(args)
  local requests = {}
  for line in io.lines(args[1]) do table.insert(requests, formatted(line)) end
  local count, once, next_one = #requests, args[2] == "once", 0
  sent, finished_at, started_at = 0, 0, 0

  -- wrk asks for one request before the load starts, to see whether it is pipelined; that one is never sent.
  local asked = false
  request = function()
    if not asked then
      asked = true
      return requests[1]
    end
    if once and next_one == count then
      wrk.thread:stop()
      return requests[count]
    end
    next_one = next_one % count + 1
    sent = sent + 1
    return requests[next_one]
  end
  if count == 1 and not once then
    -- Without a request function wrk sends wrk.format() unchanged, which costs it least.
    request = nil
    local path, token = io.open(args[1]):read("*l"):match("^([^\t]+)\t?(.*)$")
    wrk.path = path
    if token ~= "" then wrk.headers["Authorization"] = "Bearer " .. token end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"sent":%d,"duration_us":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, threads[1]:get("sent") or 0, summary.duration,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99)))
end
