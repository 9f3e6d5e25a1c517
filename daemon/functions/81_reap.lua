-- The coordinator's slices of a ghost: reap. Fenced.
--
-- What a slice costs is its commands, so it goes by session. With a record that the scan gives, the
-- ghost's other connections in the same session are taken along, as the session's candidates name
-- them; then each session is read once and written once, whoever leaves it. Every membership has
-- its own event nevertheless, and its own seq.
--
-- One damaged session or record must not stop the others, so each is handled under pcall, reads
-- before writes.

local fail, check_id, int, quote = mu.fail, mu.check_id, mu.int, mu.quote

local PAGE = 16 -- records that one HSCAN asks for
local PAGES = 64 -- HSCANs of one slice, at most
local COMPANIONS = 64 -- candidates of a session among which more of the ghost's are looked for
local GROUP = 512 -- connections that leave a session in one step, at most

local function quarantine(c, ghost, connection, text)
    call('HSET', c.prefix .. 'quarantine', ghost.name .. '/' .. connection, text)
    if mu.look.is_id(connection) then
        mu.note_left(c, { connection = connection, instance = ghost.instance, incarnation = ghost.incarnation }, nil,
            'quarantined')
    end
end
mu.quarantine = quarantine

-- ---- what a slice takes up -----------------------------------------------------------------

-- A group: the connections that are to leave one session, and the records of those whose record is
-- more than that one membership.
local function add(slice, id, connection, record)
    local group = slice.open[id]
    if not group or group.count == GROUP then
        group = { id = id, count = 0, records = false, outcomes = {} }
        slice.open[id] = group
        slice.groups[#slice.groups + 1] = group
    end
    local count = group.count + 1
    group.count = count
    group[count] = connection
    if record then
        group.records = group.records or {}
        group.records[count] = record
    end
    slice.budget = slice.budget - 1
end

-- A record (25_formats) with one session, no deadline and no holder: with its membership it is over.
local PLAIN = '^%d+/[^/:]*///[^/]*/[^/]*/([^/,]+)/%s*{'

local function only_session(text)
    return sub(text, -1) == '}' and match(text, PLAIN)
end

-- The ghost's connections that the first candidates name and that are in this session only.
local function take_companions(slice, id)
    local key, owner = slice.c.prefix .. 'session:' .. id .. ':candidates', slice.ghost.owner
    local found = call('ZRANGE', key, '0', int(COMPANIONS - 1))
    slice.c.typed[key] = true
    local names, count, size = {}, 0, #owner
    for index = 1, #found do
        local name = found[index]
        if sub(name, -size) == owner then
            local connection = sub(name, 1, -size - 1)
            if not slice.seen[connection] then
                count = count + 1
                names[count] = connection
            end
        end
    end
    if count == 0 then
        return
    end
    local texts = call('HMGET', slice.ghost.key, unpack(names))
    for index = 1, count do
        if slice.budget <= 0 then
            return
        end
        if texts[index] and only_session(texts[index]) == id then
            slice.seen[names[index]] = true
            add(slice, id, names[index])
        end
    end
end

-- Any other record, as far as the budget reaches.
local function take_record(slice, connection, text)
    local c, ghost = slice.c, slice.ghost
    local record = mu.parse_record(text)
    if not record then
        quarantine(c, ghost, connection, text)
        slice.budget = slice.budget - 1
        slice.quarantined = slice.quarantined + 1
        slice.gone[#slice.gone + 1] = connection
        slice.deadlines[#slice.deadlines + 1] = mu.deadline_name(ghost, connection)
        return
    end
    record.connection, record.rest, record.damaged = connection, {}, {}
    slice.records[#slice.records + 1] = record
    if #record.sessions == 0 then
        slice.budget = slice.budget - 1
        mu.note_left(c, { connection = connection, instance = ghost.instance, incarnation = ghost.incarnation }, nil,
            ghost.reason)
    end
    local listed = {}
    for index = 1, #record.sessions do
        local id = record.sessions[index]
        if slice.budget <= 0 then
            record.rest[#record.rest + 1] = id
        elseif not listed[id] then
            listed[id] = true
            add(slice, id, connection, record)
        end
    end
end

local function take(slice, connection, text)
    if slice.seen[connection] or sub(connection, 1, 1) == '#' then
        return
    end
    slice.seen[connection] = true
    local id = only_session(text)
    if not id then
        take_record(slice, connection, text)
        return
    end
    local first = not slice.open[id]
    add(slice, id, connection)
    if first and slice.budget > 0 then
        pcall(take_companions, slice, id) -- end_group() reports what is damaged
    end
end

-- Takes up records from `cursor` on. Returns where the next slice begins: a page that was not
-- finished comes again.
local function scan(slice, cursor)
    for _ = 1, PAGES do
        local page = call('HSCAN', slice.ghost.key, cursor, 'COUNT', int(min(PAGE, slice.budget)))
        local fields = page[2]
        for index = 1, #fields, 2 do
            if slice.budget <= 0 then
                return cursor
            end
            take(slice, fields[index], fields[index + 1])
        end
        if slice.budget <= 0 then
            return cursor
        end
        cursor = page[1]
        if cursor == '0' then
            return cursor
        end
    end
    return cursor
end

-- ---- the ends of memberships ---------------------------------------------------------------

-- One membership of a ghost, by the general way (45_membership): ends it unless somebody adopted
-- it. `fields`: the session's, and the member's text. Returns 'removed', 'kept' (not the ghost's any
-- more) or 'waiting'.
local function reap_membership(c, ghost, connection, session_id, fields)
    local session = mu.load_session(c, session_id, connection, fields)
    local member = mu.member_of(session)
    if not member or member.instance ~= ghost.instance or member.incarnation ~= ghost.incarnation then
        return 'kept'
    end
    local plan = mu.plan_removal(c, session, member, true)
    if plan.waits then
        return 'waiting'
    end
    mu.apply_removal(c, plan, ghost.reason)
    return 'removed'
end

local ANONYMOUS = '^,"joined_at":%d+,"profile":%s*{'
local WITH_USER = '^,"user":"([^"]*)","joined_at":%d+,"profile":%s*{'

-- Whose member it is, as mu.parse_member() would say: 'own' and the user (or nil); or 'kept' or
-- 'damaged'.
local function judge(ghost, connection, text)
    if not text then
        return 'kept'
    end
    -- Redis hashes each string that Lua makes, byte by byte: no copy of what can be compared in place.
    local from = 16 + #connection
    if find(text, ghost.member, from, true) == from and sub(text, 16, from - 1) == connection
        and sub(text, -2) == '}}' then
        from = from + #ghost.member
        if find(text, ANONYMOUS, from) then
            return 'own', nil
        end
        local user = match(text, WITH_USER, from)
        if user then
            return 'own', user
        end
    end
    local member = mu.parse_member(text)
    if not member then
        return 'damaged'
    elseif member.instance ~= ghost.instance or member.incarnation ~= ghost.incarnation then
        return 'kept'
    elseif member.connection ~= connection then
        return 'damaged'
    end
    return 'own', member.user
end

-- Of the users of `names`: how many connections each has here. Nil when there is no user.
local function user_counts(session, names, users)
    local counts, order = {}, {}
    for index = 1, #names do
        local user = users[index]
        if user and not counts[user] then
            counts[user] = 0
            order[#order + 1] = user
        end
    end
    if #order == 0 then
        return nil
    end
    local key = session.key .. ':users'
    local texts = call('HMGET', key, unpack(order))
    for index = 1, #order do
        counts[order[index]] = texts[index] and mu.stored(texts[index], key, quote(order[index])) or 0
    end
    return counts, order
end

-- `member.left` of each, in a row. Counts users, anonymous and all down.
local function publish_ends(c, session, ghost, names, users, counts, closes)
    local channel = c.prefix .. 'events:session:' .. session.id
    local head = '{"event":"member.left","session":"' .. session.id .. '","gen":"' .. session.gen .. '","seq":'
    local middle = ',"term":' .. int(session.term) .. ',"at":' .. int(mu.now(c)) .. ',"count":'
    local tail = '","instance":"' .. ghost.instance .. '","reason":"' .. ghost.reason .. '"'
    local seq, count, most = session.seq, session.count, #names
    for index = 1, most do
        local user, last, whose = users[index], ',"connection":"', ''
        seq, count = seq + 1, count - 1
        if user then
            counts[user] = counts[user] - 1
            last = (counts[user] <= 0 and ',"last":true' or ',"last":false') .. last
            whose = '","user":"' .. user
        else
            session.anonymous = session.anonymous - 1
        end
        call('PUBLISH', channel, head .. int(seq) .. middle .. int(count) .. last .. names[index] .. whose .. tail
            .. (closes and index == most and ',"closed":true}' or '}'))
    end
    session.seq, session.count = seq, count
end

local function write_users(session, counts, order)
    local key, gone, left = session.key .. ':users', {}, {}
    for index = 1, #order do
        local user = order[index]
        if counts[user] <= 0 then
            gone[#gone + 1] = user
        else
            left[#left + 1] = user
            left[#left + 1] = int(counts[user])
        end
    end
    if #gone > 0 then
        call('HDEL', key, unpack(gone))
    end
    if #left > 0 then
        call('HSET', key, unpack(left))
    end
end

-- Ends the memberships `names`, none of which leads: what plan_removal() and apply_removal() do,
-- once for all.
local function remove_many(c, session, ghost, names, users)
    local candidates = session.key .. ':candidates'
    local closes = session.count <= #names and not session.keep
    local counts, order = user_counts(session, names, users)
    mu.typed(c, 'ZCARD', candidates)
    if closes then
        mu.typed(c, 'ZCARD', c.prefix .. 'sessions')
        mu.typed(c, 'HLEN', session.key .. ':users')
    end
    if closes or session.leader == '' then
        mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    end
    if closes or session.gen ~= c.config.generation then
        mu.clock(c)
    end

    mu.lift(c, session)
    publish_ends(c, session, ghost, names, users, counts, closes)
    mu.note_many_left(c, ghost, names, session.id, ghost.reason)
    if closes then
        mu.close(c, session)
        return
    end
    call('HDEL', session.key, unpack(names))
    local ranked = {}
    for index = 1, #names do
        ranked[index] = names[index] .. ghost.owner
    end
    call('ZREM', candidates, unpack(ranked))
    if counts then
        write_users(session, counts, order)
    end
    if session.leader == '' and call('EXISTS', candidates) == 0 then
        call('SREM', c.prefix .. 'leaderless', session.id)
    end
    mu.save(session)
end

-- Ends the memberships of a group. Each outcome is noted as soon as it stands.
local function end_group(slice, group)
    local c, ghost, outcomes, id = slice.c, slice.ghost, group.outcomes, group.id
    local f = call('HMGET', c.prefix .. 'session:' .. id, '#seq', '#leader', '#term', '#count', '#anonymous', '#gen',
        '#limit', '#keep', unpack(group))
    local names, users, places, count = {}, {}, {}, 0
    local leads
    for index = 1, group.count do
        local connection = group[index]
        local whose, user = judge(ghost, connection, f[8 + index])
        if whose ~= 'own' then
            outcomes[index] = whose
        elseif connection == f[2] then
            leads = index
        else
            count = count + 1
            names[count], users[count], places[count] = connection, user or false, index
        end
    end
    if leads then
        -- The leader first, with the election; afterwards the session stands otherwise.
        f[9] = f[8 + leads]
        local ok, outcome = pcall(reap_membership, c, ghost, group[leads], id, f)
        outcomes[leads] = ok and outcome or 'damaged'
        f = nil
    end
    if count > 0 then
        local session = mu.load_session(c, id, nil, f)
        local outcome = session.exists and 'removed' or 'kept'
        if session.exists then
            remove_many(c, session, ghost, names, users)
        elseif not leads then
            fail('INTERNAL', 'session ' .. quote(id) .. ' has members but no seq')
        end
        for index = 1, count do
            outcomes[places[index]] = outcome
        end
    end
end

-- ---- the ends of records -------------------------------------------------------------------

local function settle(slice, group, index)
    local connection, record = group[index], group.records and group.records[index]
    local outcome = group.outcomes[index] or 'damaged'
    if outcome == 'removed' or outcome == 'waiting' then
        slice[outcome] = slice[outcome] + 1
    end
    if record then
        local list = outcome == 'waiting' and record.rest or outcome == 'damaged' and record.damaged
        if list then
            list[#list + 1] = group.id
        end
        return
    end
    if outcome == 'waiting' then
        return
    elseif outcome == 'damaged' then
        quarantine(slice.c, slice.ghost, connection, call('HGET', slice.ghost.key, connection))
        slice.quarantined = slice.quarantined + 1
    end
    slice.gone[#slice.gone + 1] = connection
    slice.connections = slice.connections + 1
end

-- Memberships that cannot be handled are set aside, the others go on.
local function settle_record(slice, record)
    local c, ghost, connection = slice.c, slice.ghost, record.connection
    local before, rest = #record.sessions, record.rest
    if #record.damaged > 0 then
        record.sessions = record.damaged
        quarantine(c, ghost, connection, mu.format_record(record))
        slice.quarantined = slice.quarantined + 1
    end
    if #rest == 0 then
        slice.gone[#slice.gone + 1] = connection
        mu.count_held(c, record, true)
        if mu.has_deadline(record) then
            slice.deadlines[#slice.deadlines + 1] = mu.deadline_name(ghost, connection)
        end
        slice.connections = slice.connections + 1
    elseif #rest < before then
        record.sessions = rest
        call('HSET', ghost.key, connection, mu.format_record(record))
        mu.count_held(c, record)
    end
end

local ARGUMENTS = 1000 -- of one command

local function call_many(command, key, list)
    for from = 1, #list, ARGUMENTS do
        call(command, key, unpack(list, from, min(from + ARGUMENTS - 1, #list)))
    end
end

local function run(slice, cursor)
    local following = scan(slice, cursor)
    for number = 1, #slice.groups do
        local group = slice.groups[number]
        pcall(end_group, slice, group)
        for index = 1, group.count do
            settle(slice, group, index)
        end
    end
    for index = 1, #slice.records do
        settle_record(slice, slice.records[index])
    end
    call_many('HDEL', slice.ghost.key, slice.gone)
    call_many('ZREM', slice.c.prefix .. 'deadlines', slice.deadlines)
    -- Who waits comes again.
    return slice.waiting == 0 and following or cursor
end

local function end_ghost(c, ghost)
    call('DEL', ghost.key, ghost.key .. ':leads')
    call('ZREM', c.prefix .. 'ghosts', ghost.name)
end

local function ghost_of(c, name)
    local instance, incarnation = match(name, '^([^:]*):([^:]*)$')
    if not instance then
        fail('BAD_REQUEST', 'ghost ' .. quote(name) .. ' must be <instance>:<incarnation>')
    end
    check_id(instance, 'instance')
    check_id(incarnation, 'incarnation')
    return {
        name = name, instance = instance, incarnation = incarnation, key = c.prefix .. 'ghosts:' .. name,
        owner = '/' .. instance .. '/' .. incarnation, -- how its candidates end
        member = '","instance":"' .. instance .. '","incarnation":"' .. incarnation .. '"', -- in its members
    }
end

mu.define('reap', {
    least = 4,
    most = 4,
    usage = 'epoch ghost cursor budget',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.fence(c, args[1])
        local name, cursor, early = args[2], args[3], ''
        local ghost = ghost_of(c, name)
        mu.check_cursor(cursor)
        local slice = {
            c = c, ghost = ghost, budget = mu.check_integer(args[4], 'budget', 1, 4096),
            removed = 0, connections = 0, waiting = 0, quarantined = 0,
            seen = {}, groups = {}, open = {}, records = {}, gone = {}, deadlines = {},
        }
        local due = tonumber(call('ZSCORE', c.prefix .. 'ghosts', name) or 0)
        local reason = call('HGET', ghost.key, '#reason')
        ghost.reason = reason or 'instance-dead'
        mu.typed(c, 'HLEN', c.prefix .. 'quarantine')
        mu.typed(c, 'ZCARD', c.prefix .. 'deadlines')
        local latest = mu.now(c) + c.config.resume_grace_ms
        if due > latest then -- the clock was set back since, or the grace is shorter now
            call('ZADD', c.prefix .. 'ghosts', int(latest), name)
            due = latest
        end
        if due > mu.now(c) then
            early = '"early":' .. int(due - mu.now(c)) .. ','
        else
            cursor = run(slice, cursor)
        end
        local left = call('HLEN', ghost.key) - (reason and 1 or 0)
        local done = left == 0 and early == ''
        if done then
            end_ghost(c, ghost)
        end
        return '{"ghost":"' .. name .. '",' .. early .. '"removed":' .. int(slice.removed) .. ',"connections":'
            .. int(slice.connections) .. ',"waiting":' .. int(slice.waiting) .. ',"quarantined":'
            .. int(slice.quarantined) .. ',"cursor":"' .. cursor .. '","left":' .. int(left) .. ',"done":'
            .. (done and 'true' or 'false') .. '}'
    end,
})
