-- Posts one prepared request over and over, each under its own id if it has a mark for it, and prints the totals as one line of JSON.
-- The request's file: header lines, an empty line, the body.

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for line in file:lines() do
    if line == "" then break end
    local name, value = line:match("^([^:]+): (.*)$")
    wrk.headers[name] = value
  end
  wrk.method = "POST"
  wrk.body = file:read("*a")
  file:close()
  local first, last = wrk.body:find("123456789", 1, true)
  if first then
    local head, tail, count = wrk.body:sub(1, first - 1), wrk.body:sub(last + 1), 0
    request = function()
      count = count + 1
      return wrk.format(nil, nil, nil, head .. count .. tail)
    end
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"bytes":%d,"refused":%d,"broken":%d,"late":%d,"p50":%.1f,"p99":%.1f,"max":%.1f}\n',
    summary.requests, summary.duration, summary.bytes, e.status, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
