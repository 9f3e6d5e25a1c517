-- What muster_look can look at besides sessions: instances, ghosts, records, leads, single entries
-- and keys; the walks over many; and the function itself.

local fail, quote, int = mu.fail, mu.quote, mu.int
local look = mu.look
local found, count, later, is_id, whole = look.found, look.count, look.later, look.is_id, look.whole

-- `<instance>:<incarnation>`, or nil.
local function split_owner(name)
    local instance, incarnation = match(name, '^([^:]*):([^:]*)$')
    if is_id(instance) and is_id(incarnation) then
        return instance, incarnation
    end
    return nil
end
look.split_owner = split_owner

-- ---- records and leads ---------------------------------------------------------------------

local function one_record(r, owner, connection, text)
    local c, key = r.c, owner.records
    r.kind, r.name = 'record', owner.name .. '/' .. connection
    local parsed, wrong = look.record(text)
    if not is_id(connection) then
        parsed, wrong = nil, 'its field is no connection'
    end
    if not parsed then
        count(r, 3)
        found(r, 'RECORD_MALFORMED', key, 'the record of ' .. quote(connection) .. ' cannot be read: ' .. wrong)
        return
    end
    count(r, 3, #parsed.sessions)
    local head = '{"connection":"' .. connection .. '","instance":"' .. owner.instance .. '","incarnation":"'
        .. owner.incarnation .. '"'
    for index = 1, #parsed.sessions do
        local id = parsed.sessions[index]
        local member = call('HGET', c.prefix .. 'session:' .. id, connection)
        if not member or (sub(member, 1, #head) ~= head and look.member(member, connection)) then
            found(r, 'RECORD_NO_MEMBER', key, "the record of '" .. connection .. "' lists session '" .. id
                .. "', of which it is no member")
        end
    end
    if owner.live and (parsed.until_at or parsed.ttl) then
        count(r, 8)
        local entry = owner.instance .. '/' .. owner.incarnation .. '/' .. connection
        if not call('ZSCORE', c.prefix .. 'deadlines', entry) then
            found(r, 'DEADLINE_MISSING', 'deadlines', "lacks '" .. entry .. "', whose record has an end")
        end
    end
end

local function lead(r, owner, id)
    local c = r.c
    r.kind, r.name = 'lead', owner.name .. '/' .. id
    count(r, 6)
    if not is_id(id) then
        found(r, 'LEADS_ENTRY', owner.leads, 'holds ' .. quote(id) .. ', which cannot be one of its')
        return
    end
    local key = c.prefix .. 'session:' .. id
    local leader = call('HGET', key, '#leader')
    local text = leader and leader ~= '' and call('HGET', key, leader)
    local m = text and look.member(text, leader)
    if text and not m then
        return -- whose leads these should be cannot be known
    end
    if not m or m.instance ~= owner.instance or m.incarnation ~= owner.incarnation then
        found(r, 'LEADS_STRAY', owner.leads, "lists session '" .. id .. "', which no connection of it leads")
    end
end

-- ---- instances and ghosts ------------------------------------------------------------------

-- Why what a paced drain left in it cannot be believed; nil: it can.
local function drain_wrong(f)
    local some, all = false, f.draining == '1'
    for index, name in pairs(mu.DRAIN_FIELDS) do
        some = some or f[name] ~= nil
        all = all and f[name] ~= nil and (index == 6 or whole(f[name]) ~= nil)
    end
    if some and not (all and whole(f.drain_rate) > 0
        and (find(f.drain_cursor, '^%d+$') or f.drain_cursor == '-' or find(f.drain_cursor, '^='))) then
        return 'the pace of its drain is incomplete or no number'
    end
end
look.drain_wrong = drain_wrong

-- Why the hash of an instance cannot be believed; nil: it can.
local function hash_wrong(fields)
    local f = {}
    for index = 1, #fields, 2 do
        f[fields[index]] = fields[index + 1]
    end
    local wrong = not is_id(f.incarnation) and 'incarnation is missing or no id'
        or f.state ~= 'up' and f.state ~= 'suspect' and 'state is neither up nor suspect'
        or f.draining ~= '0' and f.draining ~= '1' and 'draining is neither 0 nor 1'
        or not whole(f.started_at) and 'started_at is missing or no number'
        or f.secrets and not find(f.secrets, '^[01]$') and 'secrets is neither 0 nor 1'
        or f.meta and f.meta ~= '' and not look.is_object(f.meta) and 'meta is no strict JSON object'
        or drain_wrong(f)
    if wrong then
        return wrong
    end
    for _, name in pairs({ 'incarnation', 'state', 'draining', 'started_at', 'secrets', 'meta' }) do
        f[name] = nil
    end
    for _, name in pairs(mu.DRAIN_FIELDS) do
        f[name] = nil
    end
    local more = false
    for _ in pairs(f) do
        more = true
    end
    return more and 'it has a field that means nothing' or nil
end
look.hash_wrong = hash_wrong

local function unlisted_instance(r, id)
    local c, key = r.c, 'instance:' .. id
    local connections = call('HLEN', c.prefix .. key .. ':connections')
    local left = ' of an instance that is not in instances'
    if connections > 0 then
        found(r, 'CONNECTIONS_UNLISTED', key .. ':connections', format('holds %d connections', connections) .. left)
    elseif call('EXISTS', c.prefix .. key, c.prefix .. key .. ':leads') > 0 then
        found(r, 'INSTANCE_TRACE', key, 'is left' .. left)
    end
    if call('EXISTS', c.prefix .. key .. ':alive') == 1 then
        found(r, 'ALIVE_TRACE', key .. ':alive', 'is left' .. left)
    end
end

local function instance(r, id)
    local c, key = r.c, 'instance:' .. id
    r.kind, r.name = 'instance', id
    count(r, 8)
    if not call('ZSCORE', c.prefix .. 'instances', id) then
        unlisted_instance(r, id)
        return
    end
    local fields = call('HGETALL', c.prefix .. key)
    if #fields == 0 then
        found(r, 'INSTANCE_NO_HASH', 'instances', "lists '" .. id .. "', which has no hash")
        return
    end
    local wrong = hash_wrong(fields)
    if wrong then
        found(r, 'INSTANCE_MALFORMED', key, 'cannot be believed: ' .. wrong)
    end
    local incarnation = call('HGET', c.prefix .. key, 'incarnation')
    if is_id(incarnation) then
        if call('ZSCORE', c.prefix .. 'buried', id .. ':' .. incarnation) then
            found(r, 'INSTANCE_BURIED', key, "is registered with the buried incarnation '" .. incarnation .. "'")
        end
        later(r, 'records', id .. ':' .. incarnation)
        later(r, 'leads', id .. ':' .. incarnation)
    end
end

local function ghost(r, name)
    local c, key = r.c, 'ghosts:' .. name
    r.kind, r.name = 'ghost', name
    count(r, 8)
    local due = tonumber(call('ZSCORE', c.prefix .. 'ghosts', name) or nil)
    local records = call('HLEN', c.prefix .. key)
    if due and records == 0 then
        found(r, 'GHOST_NO_HASH', key, 'is in ghosts but does not exist')
    end
    if not due and records > 0 then
        found(r, 'GHOST_UNLISTED', key, format('holds %d fields of a ghost that is not in ghosts', records))
    end
    if records > 0 and call('HEXISTS', c.prefix .. key, '#reason') == 0 then
        found(r, 'GHOST_NO_REASON', key, 'has no #reason')
    end
    if (due or records > 0) and not call('ZSCORE', c.prefix .. 'buried', name) then
        found(r, 'GHOST_NOT_BURIED', key, 'is a ghost without its entry in buried')
    end
    if due and due <= mu.now(c) then
        found(r, 'GHOST_OVERDUE', key, format('was to be reaped at %.0f, holds %d fields, and nobody reaps it', due, records),
            records)
    end
    if not due and records == 0 and call('EXISTS', c.prefix .. key .. ':leads') == 1 then
        found(r, 'GHOST_TRACE', key .. ':leads', 'is left of a ghost that is not in ghosts')
    end
    if due or records > 0 then
        later(r, 'records', name)
        later(r, 'leads', name)
    end
end

-- ---- single entries and keys ---------------------------------------------------------------

local function is_deadline(text)
    local id, incarnation, connection = match(text, '^([^/]*)/([^/]*)/([^/]*)$')
    return is_id(id) and is_id(incarnation) and is_id(connection)
end

-- Sets and sorted sets of which every member is a name: what the name must be, the code when it is not.
local CONTAINERS = {
    sessions = { fits = is_id, code = 'SESSION_ENTRY', read = 'ZSCORE', walk = 'ZSCAN', step = 2, kind = 'session' },
    instances = { fits = is_id, code = 'INSTANCE_ENTRY', read = 'ZSCORE', walk = 'ZSCAN', step = 2, kind = 'instance' },
    ghosts = { fits = split_owner, code = 'GHOST_ENTRY', read = 'ZSCORE', walk = 'ZSCAN', step = 2, kind = 'ghost' },
    buried = { fits = split_owner, code = 'BURIED_ENTRY', read = 'ZSCORE', walk = 'ZSCAN', step = 2 },
    deadlines = { fits = is_deadline, code = 'DEADLINE_ENTRY', read = 'ZSCORE', walk = 'ZSCAN', step = 2 },
    leaderless = { fits = is_id, code = 'LEADERLESS_STALE', read = 'SISMEMBER', walk = 'SSCAN', step = 1 },
}
look.CONTAINERS = CONTAINERS

local function entry(r, container, text)
    local c, about = r.c, CONTAINERS[container]
    r.kind, r.name = 'entry', container .. '/' .. text
    local there = call(about.read, c.prefix .. container, text)
    if not there or there == 0 then
        return
    end
    if not about.fits(text) then
        found(r, about.code, container, 'holds ' .. quote(text) .. ', which cannot be one of its')
    elseif container == 'deadlines' and tonumber(there) <= mu.now(c) then
        found(r, 'DEADLINE_OVERDUE', container, "'" .. text .. "' was to end at " .. there .. ', and nobody ends it',
            tonumber(there))
    end
end

local SINGLE = {
    config = 'hash', clock = 'string', epoch = 'string', coordinator = 'string', brake = 'string', instances = 'zset',
    buried = 'zset', ghosts = 'zset', quarantine = 'hash', deadlines = 'zset', leaderless = 'set', sessions = 'zset',
    daemons = 'hash', journal = 'stream', ['held:connections'] = 'hash', ['held:sessions'] = 'hash',
}
local OF_SESSION = { [''] = 'hash', [':candidates'] = 'zset', [':users'] = 'hash' }
local OF_INSTANCE = { [''] = 'hash', [':alive'] = 'string', [':connections'] = 'hash', [':leads'] = 'set' }
local OF_GHOST = { [''] = 'hash', [':leads'] = 'set' }

-- The type of a key that the model has, and the kind and name of whom it belongs to; or nil.
local function key_type(key)
    if SINGLE[key] then
        return SINGLE[key]
    end
    local name, rest = match(key, '^session:([^:]*)(.*)$')
    if name and is_id(name) then
        return OF_SESSION[rest], 'session', name, 'sessions'
    end
    name, rest = match(key, '^instance:([^:]*)(.*)$')
    if name and is_id(name) then
        return OF_INSTANCE[rest], 'instance', name, 'instances'
    end
    name, rest = match(key, '^ghosts:([^:]*:[^:]*)(.*)$')
    if name and split_owner(name) then
        return OF_GHOST[rest], 'ghost', name, 'ghosts'
    end
    return nil
end
look.key_type = key_type

-- 4: a key that the model has, of its type. Whoever it belongs to and is listed nowhere is looked
-- at by itself: no walk over the lists would meet it.
local function key(r, name)
    local c = r.c
    r.kind, r.name = 'key', name
    local is = call('TYPE', c.prefix .. name).ok
    if is == 'none' then
        return
    end
    count(r, 4)
    local expected, kind, owner, list = key_type(name)
    if not expected then
        found(r, 'KEY_UNKNOWN', name, 'is a ' .. is .. ' that muster does not know')
    elseif expected ~= is then
        found(r, 'KEY_TYPE', name, 'is a ' .. is .. ' and should be a ' .. expected)
    elseif list and not call('ZSCORE', c.prefix .. list, owner) then
        later(r, kind, owner)
    end
end

-- 9, 7 and what there is once.
local function global(r)
    local prefix = r.c.prefix
    r.kind, r.name = 'global', '-'
    local lease, stored, clock = call('GET', prefix .. 'coordinator'), call('GET', prefix .. 'epoch'),
        call('GET', prefix .. 'clock')
    local epoch = whole(stored or nil)
    if stored then
        count(r, 9)
        if not epoch then
            found(r, 'EPOCH_BAD', 'epoch', 'is ' .. quote(stored) .. ', no whole number below 2^53')
        end
    end
    if lease then
        count(r, 9)
        local id, nonce, number, renewals = match(lease, '^([^/]*)/([^/]*)/([^/]*)/([^/]*)/.*$')
        if not (is_id(id) and is_id(nonce) and whole(number) and whole(renewals)) then
            found(r, 'LEASE_MALFORMED', 'coordinator', 'is no lease: ' .. quote(lease))
        elseif not stored then
            found(r, 'LEASE_AHEAD', 'coordinator', 'has epoch ' .. number .. ', but there is no epoch')
        elseif epoch and whole(number) > epoch then
            found(r, 'LEASE_AHEAD', 'coordinator', 'has epoch ' .. number .. ', above the last one given out, ' .. stored)
        end
        if call('PTTL', prefix .. 'coordinator') == -1 then
            found(r, 'LEASE_FOREVER', 'coordinator', 'is a lease that never expires')
        end
    end
    if clock then
        count(r, 7)
        if not whole(clock) then
            found(r, 'CLOCK_BAD', 'clock', 'is ' .. quote(clock) .. ', no whole number below 2^53')
        end
    end
    local config = call('HMGET', prefix .. 'config', 'generation', 'packed')
    local generation, packed = config[1], config[2]
    if generation or packed then
        count(r, 7)
        if not is_id(generation) or not packed or match(packed, '^[^/]*') ~= generation then
            found(r, 'CONFIG_BAD', 'config', 'has generation ' .. quote(generation or '') .. ', and functions read '
                .. quote(packed or ''))
        end
    elseif call('EXISTS', prefix .. 'instances', prefix .. 'sessions', prefix .. 'ghosts') > 0 then
        found(r, 'CONFIG_BAD', 'config', 'has no generation, though there is data')
    end
    local quarantined = call('HLEN', prefix .. 'quarantine')
    if quarantined > 0 then
        found(r, 'QUARANTINED', 'quarantine', format('holds %d records that could not be read', quarantined))
    end
    later(r, 'held', '-')
end

-- ---- walks ---------------------------------------------------------------------------------

-- A key of another type than it should be is a finding of the walk over the keys; here it only ends
-- the look at what it belongs to. What a command throws is a text or a table, by Redis's version.
local function tolerant(what, ...)
    local ok, result = pcall(what, ...)
    if not ok and not find(type(result) == 'table' and (result.err or '') or result, 'WRONGTYPE', 1, true) then
        error(result, 0)
    end
    return ok and result
end

-- Everything on one page; what no longer fits the budget is left for later, by itself.
local function page(r, entries, step, kind, owner_name, each)
    for index = 1, #entries, step do
        local name = entries[index]
        if kind and (r.budget <= 0 or #r.findings >= look.FINDINGS_MAX) then
            later(r, kind, owner_name and owner_name .. '/' .. name or name)
        else
            r.looked = r.looked + 1
            local before = r.budget
            tolerant(each, name, entries[index + 1])
            if r.budget == before then
                r.budget = before - 1
            end
        end
    end
end

local function scan(r, command, name, cursor, share)
    local found_page = call(command, r.c.prefix .. name, cursor, 'COUNT', int(max(1, floor(r.budget / share))))
    return found_page[1], found_page[2]
end

local WALKS = {}

local function walk_container(name)
    local about = CONTAINERS[name]
    WALKS[name] = function(r, _, cursor)
        local following, entries = scan(r, about.walk, name, cursor, about.kind and 8 or 1)
        page(r, entries, about.step, about.kind, nil, function(text)
            if not about.fits(text) or name == 'deadlines' then
                entry(r, name, text)
            elseif name == 'sessions' then
                look.session(r, text)
            elseif name == 'instances' then
                instance(r, text)
            elseif name == 'ghosts' then
                ghost(r, text)
            elseif name == 'leaderless' and call('EXISTS', r.c.prefix .. 'session:' .. text) == 0 then
                later(r, 'session', text)
            end
            if name == 'buried' or name == 'deadlines' then
                count(r, 8)
            end
        end)
        return following
    end
end
walk_container('sessions')
walk_container('instances')
walk_container('ghosts')
walk_container('buried')
walk_container('deadlines')
walk_container('leaderless')

function WALKS.keys(r, _, cursor)
    local prefix = r.c.prefix
    -- Ids hold nothing that means something in a pattern, but for what is escaped.
    local found_page = call('SCAN', cursor, 'MATCH', prefix .. '*', 'COUNT', int(r.budget))
    page(r, found_page[2], 1, nil, nil, function(name)
        key(r, sub(name, #prefix + 1))
    end)
    return found_page[1]
end

local function owner_named(r, name)
    local instance_id, incarnation = split_owner(name)
    if not instance_id then
        fail('BAD_REQUEST', quote(name) .. ' must be <instance>:<incarnation>')
    end
    return look.owner_of(r.c, instance_id, incarnation)
end

function WALKS.records(r, name, cursor)
    local owner = owner_named(r, name)
    local following, entries = scan(r, 'HSCAN', owner.records, cursor, 2)
    page(r, entries, 2, 'record', name, function(connection, text)
        if connection ~= '#reason' then
            local before = r.checked[3]
            one_record(r, owner, connection, text)
            r.budget = r.budget - (r.checked[3] - before)
        end
    end)
    return following
end

function WALKS.leads(r, name, cursor)
    local owner = owner_named(r, name)
    local following, entries = scan(r, 'SSCAN', owner.leads, cursor, 1)
    page(r, entries, 1, 'lead', name, function(id)
        lead(r, owner, id)
    end)
    return following
end

function WALKS.members(r, id, cursor)
    local key_name = 'session:' .. id
    local seq = whole(call('HGET', r.c.prefix .. key_name, '#seq') or nil)
    local following, entries = scan(r, 'HSCAN', key_name, cursor, 1)
    page(r, entries, 2, 'member', id, function(connection, text)
        if sub(connection, 1, 1) ~= '#' then
            r.kind, r.name = 'member', id .. '/' .. connection
            look.one_member(r, id, seq, connection, text)
        end
    end)
    return following
end

function WALKS.candidates(r, id, cursor)
    local following, entries = scan(r, 'ZSCAN', 'session:' .. id .. ':candidates', cursor, 1)
    page(r, entries, 2, 'candidate', id, function(name)
        r.kind, r.name = 'candidate', id .. '/' .. name
        look.one_candidate(r, id, name)
    end)
    return following
end

-- ---- single things, by name ----------------------------------------------------------------

local function halves(name)
    local left, right = match(name, '^([^/]*)/(.*)$')
    if not left then
        fail('BAD_REQUEST', quote(name) .. ' must have two parts')
    end
    return left, right
end
look.halves = halves

local UNITS = { global = global, key = key, session = look.session, instance = instance, ghost = ghost }
look.UNITS = UNITS

function UNITS.member(r, name)
    local id, connection = halves(name)
    local f = call('HMGET', r.c.prefix .. 'session:' .. id, '#seq', connection)
    if f[2] and sub(connection, 1, 1) ~= '#' then
        look.one_member(r, id, whole(f[1] or nil), connection, f[2])
    end
end

function UNITS.candidate(r, name)
    local id, text = halves(name)
    if call('ZSCORE', r.c.prefix .. 'session:' .. id .. ':candidates', text) then
        look.one_candidate(r, id, text)
    end
end

function UNITS.record(r, name)
    local owner_name, connection = halves(name)
    local owner = owner_named(r, owner_name)
    local text = connection ~= '#reason' and call('HGET', r.c.prefix .. owner.records, connection)
    if text then
        one_record(r, owner, connection, text)
    end
end

function UNITS.lead(r, name)
    local owner_name, id = halves(name)
    local owner = owner_named(r, owner_name)
    if call('SISMEMBER', r.c.prefix .. owner.leads, id) == 1 then
        lead(r, owner, id)
    end
end

function UNITS.entry(r, name)
    local container, text = halves(name)
    if not CONTAINERS[container] then
        fail('BAD_REQUEST', quote(container) .. ' is no list of muster')
    end
    entry(r, container, text)
end

-- Looks at `kind` `name`; returns the cursor.
function look.at(r, kind, name, cursor)
    r.kind, r.name = kind, name
    if UNITS[kind] then
        r.looked = r.looked + 1
        tolerant(UNITS[kind], r, name)
        return '0'
    elseif WALKS[kind] then
        return tolerant(WALKS[kind], r, name, cursor) or '0'
    end
    return fail('BAD_REQUEST', 'kind ' .. quote(kind) .. ' is nothing to look at')
end

mu.define('look', {
    least = 5,
    most = 5,
    usage = 'epoch|- kind name cursor budget',
    flags = { 'no-writes' },
    unconfirmed = true,
    body = function(c, args)
        if args[1] ~= '-' then
            mu.fence(c, args[1])
        end
        mu.check_cursor(args[4])
        local r = look.report(c, mu.check_integer(args[5], 'budget', 1, 4096))
        return look.answer(r, look.at(r, args[2], look.unescape(args[3]), args[4]))
    end,
})
