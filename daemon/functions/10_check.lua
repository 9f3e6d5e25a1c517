-- Errors, ids and numbers: what is checked before anything is read.

-- Ends the call. `code` is a word of include/muster/status.h.
local function fail(code, text)
    error({ code = code, text = text })
end
mu.fail = fail

-- A stranger's bytes, fit for an error line.
local function quote(text)
    local shown = gsub(sub(text, 1, 40), '[^\32-\126]', '?')
    if #text > 40 then
        shown = shown .. '...'
    end
    return "'" .. shown .. "'"
end
mu.quote = quote

-- Ids seen good, so that sessions, instances and incarnations are looked at once. Connections are
-- too many to be worth it. Emptied when full.
local good_ids, good_count = {}, 0
local GOOD_MAX = 4096

local function is_id(text)
    return #text <= ID_MAX and find(text, '^[%w%._~@|+=%-]+$')
end
mu.is_id = is_id

local function check_id(id, what)
    if good_ids[id] then
        return
    end
    if not is_id(id) then
        fail('BAD_ID', what .. ' ' .. quote(id) .. ' must be 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -')
    end
    if what ~= 'connection' then
        if good_count >= GOOD_MAX then
            good_ids, good_count = {}, 0
        end
        good_ids[id] = true
        good_count = good_count + 1
    end
end
mu.check_id = check_id

-- Whether check_id() has seen it: true says that it is an id, false says nothing.
function mu.known_id(id)
    return good_ids[id] or false
end

-- An integer argument within bounds.
function mu.check_integer(text, what, low, high)
    local number = find(text, '^%-?%d+$') and #text <= 16 and tonumber(text)
    if not number or number < low or number > high then
        fail('BAD_REQUEST', format('%s %s must be a whole number from %.0f to %.0f', what, quote(text), low, high))
    end
    return number
end

-- A cursor of HSCAN or SSCAN, as Redis gave it: up to 64 bits, so it stays text.
function mu.check_cursor(text)
    if not find(text, '^%d+$') or #text > 20 or (#text == 20 and text > '18446744073709551615') then
        fail('BAD_REQUEST', 'cursor ' .. quote(text) .. " must be 0 or what the last slice returned")
    end
end

-- A number that muster itself stored; anything else is damage.
function mu.stored(value, key, field)
    local number = value and tonumber(value)
    if not number then
        fail('INTERNAL', format('%s of %s is no number (damaged data: run musterctl fsck)', field, key))
    end
    return number
end

-- Milliseconds, terms, seqs and counts: integers below 2^53. tostring() would round at 14 digits;
-- %d is exact (Lua hands C a long) and half the price of %.0f.
function mu.int(number)
    return format('%d', number)
end

-- Redis's time in ms; the same throughout one call.
function mu.now(c)
    local now = c.now
    if not now then
        local time = call('TIME')
        now = tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)
        c.now = now
    end
    return now
end

-- Fails now, before the first write, if `key` holds another type than `command` reads.
function mu.typed(c, command, key)
    local typed = c.typed
    if not typed then
        typed = {}
        c.typed = typed
    end
    if not typed[key] then
        call(command, key)
        typed[key] = true
    end
end
