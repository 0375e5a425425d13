-- Calls a function of /answer.lua with arguments from standard input, JSON, and writes its result as JSON. The first
-- line of the input is the function's name.
local write = io.write
local name = io.read("l")
local text = io.read("a")
local at = 1

local function fail(what) error(what, 0) end

local value

local escapes = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/"}

local function space() at = text:find("%S", at) or #text + 1 end

local function text_value()
  local parts = {}
  at = at + 1
  while true do
    local stop = text:find('["\\]', at) or fail("the arguments end in a text")
    parts[#parts + 1] = text:sub(at, stop - 1)
    if text:sub(stop, stop) == '"' then
      at = stop + 1
      return table.concat(parts)
    end
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      parts[#parts + 1] = utf8.char(tonumber(text:sub(stop + 2, stop + 5), 16))
      at = stop + 6
    else
      parts[#parts + 1] = escapes[letter]
      at = stop + 2
    end
  end
end

function value()
  space()
  local c = text:sub(at, at)
  if c == '"' then return text_value() end
  if c == "[" then
    local list = {}
    at = at + 1
    space()
    if text:sub(at, at) == "]" then
      at = at + 1
      return list
    end
    local n = 0
    while true do
      n = n + 1
      list[n] = value()
      space()
      local next = text:sub(at, at)
      at = at + 1
      if next == "]" then return list, n end
    end
  end
  if c == "{" then
    local object = {}
    at = at + 1
    space()
    if text:sub(at, at) == "}" then
      at = at + 1
      return object
    end
    while true do
      space()
      local key = text_value()
      space()
      at = at + 1
      object[key] = value()
      space()
      local next = text:sub(at, at)
      at = at + 1
      if next == "}" then return object end
    end
  end
  for word, meaning in pairs({["true"] = true, ["false"] = false}) do
    if text:sub(at, at + #word - 1) == word then
      at = at + #word
      return meaning
    end
  end
  if text:sub(at, at + 3) == "null" then
    at = at + 4
    return nil
  end
  local number = text:match("^[-+.%deE]+", at)
  at = at + #number
  return math.tointeger(number) or tonumber(number)
end

local quoted = {['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t"}

local function dump(v, depth)
  local kind = type(v)
  if v == nil then return "null" end
  if kind == "boolean" then return tostring(v) end
  if kind == "string" then
    return '"' .. v:gsub('[%c"\\]', function(c) return quoted[c] or string.format("\\u%04x", c:byte()) end) .. '"'
  end
  if kind == "number" then
    if math.type(v) == "integer" then return string.format("%d", v) end
    if v ~= v or v == math.huge or v == -math.huge then fail("the result is not a finite number") end
    return string.format("%.17g", v)
  end
  if kind ~= "table" then fail("the result is a " .. kind) end
  if depth > 200 then fail("the result is nested too deeply") end
  local parts, count = {}, 0
  for _ in next, v do count = count + 1 end
  if count == 0 or rawlen(v) == count then
    for i = 1, count do parts[i] = dump(rawget(v, i), depth + 1) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in next, v do parts[#parts + 1] = dump(tostring(key), depth + 1) .. ":" .. dump(item, depth + 1) end
  return "{" .. table.concat(parts, ",") .. "}"
end

local arguments, count = value()
io.write = function() return io.stdout end
print = function() end
local chunk, problem = loadfile("/answer.lua", "t")
if not chunk then fail(problem) end
local result = chunk()
local f = _G[name] or (type(result) == "table" and result[name]) or (type(result) == "function" and result)
if not f then fail("the answer defines no function " .. name) end
local concat, unpack = table.concat, table.unpack
write(dump(f(unpack(arguments, 1, count or 0)), 0), "\n")
