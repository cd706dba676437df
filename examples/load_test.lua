-- wrk's half of load_test.sh: posts pictures in turn and compares each answer with what regnet predict says of that picture. Argument: the output of
-- regnet predict -o csv. Prints how many answers had status 200, how many 503 and how many another, with the median and 99th percentile of their milliseconds.
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanoseconds; } instant; int clock_gettime(int, instant*);")
local instant = ffi.new("instant")

local function now_ms()
  ffi.C.clock_gettime(1, instant)
  return 1e3 * tonumber(instant.seconds) + 1e-6 * tonumber(instant.nanoseconds)
end

local client

function setup(thread)
  client = thread
end

function init(arguments)
  pictures, expected, sent, number, wrong = {}, {}, {}, 0, 0
  ms200, ms503, ms_other = {}, {}, {}  -- not one table, since wrk cannot hand out tables of tables
  for line in io.lines(arguments[1]) do
    local path, rank, class, probability = line:match('^"(.*)",(%d+),(%d+),".*",([^,]+),[^,]+$')
    if rank == "1" then
      local file = io.open(path, "rb")
      pictures[#pictures + 1] = file:read("*a")
      file:close()  -- wrk has room for few files beside its connections
      expected[#pictures] = ""
    end
    if rank then expected[#pictures] = expected[#pictures] .. class .. " " .. probability .. "\n" end
  end
end

-- The number comes back with the answer, and tells which picture it is about.
function request()
  number = number + 1
  sent[number] = now_ms()
  return wrk.format("POST", "/classify", {["X-Request-Id"] = number}, pictures[number % #pictures + 1])
end

function response(status, headers, body)
  local answered = tonumber(headers["X-Request-Id"])
  local ms = status == 200 and ms200 or status == 503 and ms503 or ms_other
  ms[#ms + 1] = now_ms() - sent[answered]
  sent[answered] = nil  -- an answer that comes twice is an error
  if status ~= 200 then return end
  local found = ""
  for class, probability in body:gmatch('"class":(%d+).-"probability":([%d.e+-]+)') do
    found = found .. string.format("%s %.9g\n", class, tonumber(probability))
  end
  if found ~= expected[answered % #pictures + 1] then wrong = wrong + 1 end
end

function done(summary)
  local errors = summary.errors
  for _, name in ipairs({"ms200", "ms503", "ms_other"}) do
    local ms = client:get(name)
    table.sort(ms)
    print(name, #ms, ms[math.ceil(#ms * 0.5)] or 0, ms[math.ceil(#ms * 0.99)] or 0)
  end
  print("requests", summary.requests)
  print("seconds", summary.duration * 1e-6)
  print("wrong", client:get("wrong"))
  print("errors", errors.connect + errors.read + errors.write + errors.timeout)
end
