-- The coordinator's slices of a ghost: reap. Fenced.
--
-- What a slice costs is its commands, so it goes by session. With a record that the scan gives, the
-- ghost's other connections in the same session are taken along, as the session's candidates name
-- them; then each session is read once and written once, whoever leaves it. Every membership has
-- its own event nevertheless, and its own seq.
--
-- One damaged session or record must not stop the others, so each is handled under pcall, reads
-- before writes.
--
-- Redis hashes each string that Lua makes, byte by byte, and an operation of Lua costs some 45
-- instructions: what is done for each connection compares in place where it can.

local fail, check_id, int, quote = mu.fail, mu.check_id, mu.int, mu.quote

-- Records that one HSCAN of a slice asks for: few at first, since each may bring many along, and what
-- is read and not used is read again; then twice as many each time.
local PAGE_MIN, PAGE_MAX = 2, 64
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
        group = { id = id, count = 0, records = false, outcomes = false }
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
    return group
end

-- A record (25_formats) with one session, no deadline and no holder: with its membership it is over.
local PLAIN = '^%d+/[^/:]*///[^/]*/[^/]*/([^/,]+)/%s*{'

local function only_session(text)
    return sub(text, -1) == '}' and match(text, PLAIN)
end

-- The ghost's connections that the first candidates name and that are in this session only. `group`
-- is new.
local function take_companions(slice, group)
    local id, seen, owner = group.id, slice.seen, slice.ghost.owner
    local key, size = slice.c.prefix .. 'session:' .. id .. ':candidates', #owner
    local found = call('ZRANGE', key, '0', int(COMPANIONS - 1))
    slice.c.typed[key] = true
    local names, count = {}, 0
    for index = 1, #found do
        local name = found[index]
        if sub(name, -size) == owner then
            name = sub(name, 1, -size - 1)
            if not seen[name] then
                count = count + 1
                names[count] = name
            end
        end
    end
    if count == 0 then
        return
    end
    local texts = call('HMGET', slice.ghost.key, unpack(names))
    local taken, most, frequent = group.count, group.count + slice.budget, '//////' .. id .. '/'
    for index = 1, count do
        local text = texts[index]
        -- Anonymous, and without a secret: after the 13 digits of the time, and quick to see.
        if text and (find(text, frequent, 14, true) == 14 or only_session(text) == id) and taken < most then
            taken = taken + 1
            group[taken] = names[index]
            seen[names[index]] = true
        end
    end
    slice.budget = most - taken
    group.count = taken
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
    local group = add(slice, id, connection)
    if first and slice.budget > 0 then
        pcall(take_companions, slice, group) -- end_group() reports what is damaged
    end
end

-- Takes up records from `cursor` on. Returns where the next slice begins: a page that was not
-- finished comes again.
local function scan(slice, cursor)
    local size = PAGE_MIN
    for _ = 1, PAGES do
        local page = call('HSCAN', slice.ghost.key, cursor, 'COUNT', int(min(size, slice.budget)))
        size = min(2 * size, PAGE_MAX)
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

-- Whose member it is, as mu.parse_member() would say: 'own' and the user (or nil); or 'kept' or
-- 'damaged'.
local function judge(ghost, connection, text)
    if not text then
        return 'kept'
    end
    local from = 16 + #connection -- behind {"connection":"<connection>
    if find(text, ghost.member, from, true) == from and sub(text, 16, from - 1) == connection then
        from = from + #ghost.member
        if find(text, ',"joined_at":', from, true) == from then
            return 'own', nil
        end
        local user = match(text, '^,"user":"([^"]*)","joined_at":', from)
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

-- How many connections each user of `names` has here, and a list of them. Nil when there is none.
local function user_counts(session, names, users)
    if not users then
        return nil
    end
    local counts, order = {}, {}
    for index = 1, #names do
        local user = users[index]
        if user and not counts[user] then
            counts[user] = 0
            order[#order + 1] = user
        end
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
    local seq, count, anonymous, most = session.seq, session.count, session.anonymous, #names
    local ends = tail .. '}'
    for index = 1, most do
        seq, count = seq + 1, count - 1
        if closes and index == most then
            ends = tail .. ',"closed":true}'
        end
        local user = users and users[index]
        if user then
            local left = counts[user] - 1
            counts[user] = left
            call('PUBLISH', channel, head .. format('%d', seq) .. middle .. format('%d', count)
                .. (left <= 0 and ',"last":true,"connection":"' or ',"last":false,"connection":"') .. names[index]
                .. '","user":"' .. user .. ends)
        else
            anonymous = anonymous - 1
            call('PUBLISH', channel, head .. format('%d', seq) .. middle .. format('%d', count) .. ',"connection":"'
                .. names[index] .. ends)
        end
    end
    session.seq, session.count, session.anonymous = seq, count, anonymous
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
-- once for all. `users`: place in `names` -> user; nil: none has one.
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

local function note(group, index, outcome)
    group.outcomes = group.outcomes or {}
    group.outcomes[index] = outcome
end

-- Ends the memberships of a group. What became of one is noted unless it is what becomes of all:
-- 'removed' when this returns, 'damaged' when it fails.
local function end_group(c, ghost, group)
    local id = group.id
    local f = call('HMGET', c.prefix .. 'session:' .. id, '#seq', '#leader', '#term', '#count', '#anonymous', '#gen',
        '#limit', '#keep', unpack(group))
    local leader, names, users, count, leads = f[2], {}, nil, 0, nil
    for index = 1, group.count do
        local connection = group[index]
        local whose, user = judge(ghost, connection, f[8 + index])
        if whose ~= 'own' then
            note(group, index, whose)
        elseif connection == leader then
            leads = index
        else
            count = count + 1
            names[count] = connection
            if user then
                users = users or {}
                users[count] = user
            end
        end
    end
    if leads then
        -- The leader first, with the election; afterwards the session stands otherwise.
        f[9] = f[8 + leads]
        local ok, outcome = pcall(reap_membership, c, ghost, leader, id, f)
        note(group, leads, ok and outcome or 'damaged')
        f = nil
    end
    if count == 0 then
        return
    end
    local session = mu.load_session(c, id, nil, f)
    if session.exists then
        remove_many(c, session, ghost, names, users)
    elseif leads then
        -- It counted nobody but the leader, and went with that one.
        for index = 1, group.count do
            note(group, index, group.outcomes[index] or 'kept')
        end
    else
        fail('INTERNAL', 'session ' .. quote(id) .. ' has members but no seq')
    end
end

-- ---- the ends of records -------------------------------------------------------------------

local function settle(slice, group, index, outcome)
    local connection, record = group[index], group.records and group.records[index]
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

local function settle_group(slice, group, ended)
    local outcomes, count, gone = group.outcomes, group.count, slice.gone
    if ended and not outcomes and not group.records then
        local before = #gone
        for index = 1, count do
            gone[before + index] = group[index]
        end
        slice.removed, slice.connections = slice.removed + count, slice.connections + count
        return
    end
    for index = 1, count do
        settle(slice, group, index, outcomes and outcomes[index] or (ended and 'removed' or 'damaged'))
    end
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
        settle_group(slice, group, pcall(end_group, slice.c, slice.ghost, group))
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
