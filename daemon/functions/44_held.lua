-- Quotas: how many connections a holder has, and in how many sessions all of them together are.
-- `held:connections` and `held:sessions` count, a field a holder, none at 0.
--
-- A record names its holder (25_formats), so each count is a recount of records: a record, live or
-- a ghost's, is a connection of its holder, and each session that it lists a membership. Whoever
-- writes a record tells this file afterwards, which compares it with what it was when it was read.
-- Where the same connection of a new incarnation adopts a membership, the old record says that it
-- is `moved`: what it still lists counts, it itself no more, so a restart at the bound finds place.
--
-- A bound is checked before the first write, and what cannot be read then is refused. Counting
-- afterwards never fails: a damaged count must not keep anybody from leaving (fsck recounts it).

local fail, quote, int = mu.fail, mu.quote, mu.int

local BOUND_MAX = 4294967295

local function check_bound_option(quota, name)
    local value = quota[name]
    if value ~= nil and (type(value) ~= 'number' or value ~= floor(value) or value < 1 or value > BOUND_MAX) then
        fail('BAD_REQUEST', format("'%s' of option 'quota' must be a whole number from 1 to %.0f", name, BOUND_MAX))
    end
end

-- The option `quota` as it was decoded.
function mu.check_quota_option(quota)
    if type(quota) ~= 'table' or type(quota.holder) ~= 'string' then
        fail('BAD_REQUEST', "option 'quota' must be an object with a holder, and with connections, sessions or both")
    end
    mu.check_id(quota.holder, "the holder of option 'quota'")
    check_bound_option(quota, 'connections')
    check_bound_option(quota, 'sessions')
    for name in pairs(quota) do
        if name ~= 'holder' and name ~= 'connections' and name ~= 'sessions' then
            fail('BAD_REQUEST', "option 'quota' has holder, connections and sessions, but not " .. quote(name))
        end
    end
end

-- What a record counts for as it stands; nil: nothing.
local function weight(record)
    if not record.holder then
        return nil
    end
    return { holder = record.holder, connections = record.moved and 0 or 1, sessions = #record.sessions }
end
mu.held_by = weight

-- The record passes to the holder of a quota (nil: none was given).
function mu.hold(record, quota)
    if quota then
        record.holder, record.moved = quota.holder, nil
    end
end

-- The membership, and with it the connection, goes on in `record`: who held it before holds it still,
-- unless a quota said otherwise.
function mu.pass_on(record, old)
    record.holder = record.holder or old.holder
    old.moved = old.holder and true or nil
end

local function of(holder, what, weighed)
    return weighed and weighed.holder == holder and weighed[what] or 0
end

local function check(c, quota, what, changes)
    local most, more = quota[what], 0
    for index = 1, #changes do
        local record = changes[index]
        more = more + of(quota.holder, what, not record.gone and weight(record) or nil)
            - of(quota.holder, what, record.counted)
    end
    if not most or more <= 0 then
        return
    end
    local key = c.prefix .. 'held:' .. what
    local text = call('HGET', key, quota.holder)
    local number = text and mu.stored(text, key, quote(quota.holder)) or 0
    if number + more > most then
        fail('RATE_LIMITED', format('principal %s holds %.0f %s already, of %.0f', quote(quota.holder), number, what, most))
    end
end

-- Before the first write: is there room for what `record` will be? `old`: the record that gives
-- something up in the same step, or nil.
function mu.check_quota(c, quota, record, old)
    if quota then
        local changes = { record, old }
        check(c, quota, 'connections', changes)
        check(c, quota, 'sessions', changes)
    end
end

local function add(c, what, holder, number)
    if number == 0 then
        return
    end
    local key = c.prefix .. 'held:' .. what
    local ok, sum = pcall(call, 'HINCRBY', key, holder, int(number))
    if ok and sum <= 0 then
        call('HDEL', key, holder)
    end
end

local function move(c, what, before, after)
    if before and after and before.holder == after.holder then
        add(c, what, after.holder, after[what] - before[what])
        return
    end
    if before then
        add(c, what, before.holder, -before[what])
    end
    if after then
        add(c, what, after.holder, after[what])
    end
end

-- The record was written as it is now; `gone`: it was removed.
function mu.count_held(c, record, gone)
    local before = record.counted
    if not before and not record.holder then
        return
    end
    local after = not gone and weight(record) or nil
    move(c, 'connections', before, after)
    move(c, 'sessions', before, after)
    record.counted = after
end
