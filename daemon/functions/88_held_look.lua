-- The recount of `held:connections` and `held:sessions` (44_held) against the records, and its
-- repair: kinds `held` (all holders) and `holder` (one count of one) of muster_look.
--
-- It needs all records, those of ghosts too. Few enough are read in one call, which sees one moment.
-- Of more the recount is the caller's (`recount` with the name `:held`, which no session can have):
-- musterctl reads them in pages and says what it found when several recounts agree.

local fail, quote, int = mu.fail, mu.quote, mu.int
local look = mu.look
local found, is_id, whole = look.found, look.is_id, look.whole

local RECORDS_MAX = 256 -- about half a millisecond
local OWNERS_MAX = 64

-- The keys that hold records; nil: there is too much for one call.
local function record_keys(c)
    local prefix, keys, records = c.prefix, {}, 0
    if call('ZCARD', prefix .. 'instances') + call('ZCARD', prefix .. 'ghosts') > OWNERS_MAX
        or call('HLEN', prefix .. 'held:connections') + call('HLEN', prefix .. 'held:sessions') > RECORDS_MAX then
        return nil
    end
    for _, id in pairs(call('ZRANGE', prefix .. 'instances', '0', '-1')) do
        keys[#keys + 1] = is_id(id) and prefix .. 'instance:' .. id .. ':connections' or nil
    end
    for _, name in pairs(call('ZRANGE', prefix .. 'ghosts', '0', '-1')) do
        keys[#keys + 1] = look.split_owner(name) and prefix .. 'ghosts:' .. name or nil
    end
    for index = 1, #keys do
        records = records + call('HLEN', keys[index])
    end
    return records <= RECORDS_MAX and keys or nil
end

-- What the records say: {connections = {holder = number}, sessions = {...}}, or nil. One that cannot
-- be read is a finding by itself, and counts nothing. `r` (may be nil) is told how many were looked at.
local function recount(c, r)
    local keys, counted = record_keys(c), { connections = {}, sessions = {} }
    for index = 1, keys and #keys or 0 do
        local fields = call('HGETALL', keys[index])
        if r then
            r.looked = r.looked + #fields / 2
        end
        for field = 2, #fields, 2 do
            local text = fields[field]
            local mark, holder, list = match(text, '^%d+/[^/:]*:(:?)([^/:]+)/%d*/%d*/[^/]*/[^/]*/([^/]*)/')
            if is_id(holder) then
                local _, sessions = gsub(list, '[^,]+', '')
                counted.sessions[holder] = (counted.sessions[holder] or 0) + sessions
                counted.connections[holder] = (counted.connections[holder] or 0) + (mark == '' and 1 or 0)
            end
        end
    end
    return keys and counted
end

local function judge(r, what, holder, stored, number)
    local is = whole(stored or nil)
    r.kind, r.name = 'holder', what .. '/' .. holder
    look.count(r, 5)
    if number == 0 and not stored or number > 0 and is == number then
        return
    end
    local few = not stored or (is and is < number)
    found(r, few and 'HELD_TOO_FEW' or 'HELD_TOO_MANY', 'held:' .. what, 'says that ' .. quote(holder) .. ' has '
        .. (stored and quote(stored) or 'none') .. format(', the recount is %.0f', number))
end

local function judge_all(r, what, numbers)
    local seen, stored = {}, {}
    if call('EXISTS', r.c.prefix .. 'held:' .. what) == 1 then
        stored = call('HGETALL', r.c.prefix .. 'held:' .. what)
    end
    for index = 1, #stored, 2 do
        seen[stored[index]] = true
        judge(r, what, stored[index], stored[index + 1], numbers[stored[index]] or 0)
    end
    for holder, number in pairs(numbers) do
        if not seen[holder] then
            judge(r, what, holder, nil, number)
        end
    end
end

function look.UNITS.held(r)
    local counted = recount(r.c, r)
    if not counted then
        look.later(r, 'recount', ':held')
        return
    end
    judge_all(r, 'connections', counted.connections)
    judge_all(r, 'sessions', counted.sessions)
end

local function parts(name)
    local what, holder = look.halves(name)
    if what ~= 'connections' and what ~= 'sessions' then
        fail('BAD_REQUEST', quote(name) .. ' must be connections/<holder> or sessions/<holder>')
    end
    return what, holder
end

function look.UNITS.holder(r, name)
    local what, holder = parts(name)
    local counted = recount(r.c, r)
    if counted then
        judge(r, what, holder, call('HGET', r.c.prefix .. 'held:' .. what, holder) or nil, counted[what][holder] or 0)
    end
end

local function set(c, what, holder, number)
    if number == 0 then
        call('HDEL', c.prefix .. 'held:' .. what, holder)
    else
        call('HSET', c.prefix .. 'held:' .. what, holder, int(number))
    end
end

local function mend(c, name)
    local what, holder = parts(name)
    set(c, what, holder, recount(c)[what][holder] or 0)
end
look.MEND.HELD_TOO_FEW, look.MEND.HELD_TOO_MANY = mend, mend

-- A recount that was made outside: `<what>/<holder>/<stored, or ->/<number>`. Refused when what is
-- stored has changed since.
local function set_recount(c, _, name)
    local head, stored, number = match(name, '^(.*)/([^/]*)/([^/]*)$')
    if not head or not whole(number) then
        fail('BAD_REQUEST', 'a recount is <connections or sessions>/<holder>/<stored>/<number>')
    end
    local what, holder = parts(head)
    if (call('HGET', c.prefix .. 'held:' .. what, holder) or '-') ~= stored then
        return false
    end
    set(c, what, holder, whole(number))
    return true
end
look.recounts.HELD_TOO_FEW, look.recounts.HELD_TOO_MANY = set_recount, set_recount
