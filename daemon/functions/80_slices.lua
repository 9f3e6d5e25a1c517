-- The coordinator's work in slices: elect sweep reap. Fenced. One damaged session or record must
-- not stop the others, so each is handled under pcall, reads before writes.

local fail, check_id, int, quote = mu.fail, mu.check_id, mu.int, mu.quote

local function undecided_json(list)
    return '"undecided":[' .. concat(list, ',') .. ']'
end

-- Does one session and counts the outcome; an undecided one is listed with the rank to go on from.
local function tally(c, counts, undecided, id, wants, reason, from)
    local ok, outcome, rank = pcall(mu.replace_leader, c, id, wants, reason, from)
    if not ok then
        outcome = 'damaged'
    end
    counts[outcome] = (counts[outcome] or 0) + 1
    if rank then
        undecided[#undecided + 1] = '["' .. id .. '",' .. rank .. ']'
    elseif outcome == 'waiting' and not from then
        undecided.waiting = undecided.waiting or {}
        undecided.waiting[#undecided.waiting + 1] = id
    end
    return outcome
end

mu.define('elect', {
    least = 3,
    most = 3,
    usage = 'epoch owner budget',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.fence(c, args[1])
        local owner = args[2]
        local budget = mu.check_integer(args[3], 'budget', 1, 512)
        local id, incarnation = match(owner, '^([^:]*):([^:]*)$')
        local ghost = id ~= nil
        id = id or owner
        check_id(id, 'instance')
        local reason
        if ghost then
            check_id(incarnation, 'incarnation')
        else
            local known = mu.instance(c, id)
            if known and known.eligible then
                fail('ALIVE', 'instance ' .. quote(id) .. ' is eligible: its leaderships stay')
            end
            incarnation = known and known.incarnation or '-'
        end
        if ghost and mu.is_live(c, id, incarnation) then
            fail('BAD_REQUEST', quote(owner) .. ' is registered, not a ghost')
        end
        reason = mu.ineligible_reason(c, id, incarnation)
        local leads = mu.leads_key(c, id, incarnation)
        local sessions = call('SRANDMEMBER', leads, int(budget))
        local counts, undecided = {}, {}
        local function led_by_owner(_, leader)
            return leader and leader.instance == id and leader.incarnation == incarnation
        end
        for index = 1, #sessions do
            local outcome = tally(c, counts, undecided, sessions[index], led_by_owner, reason)
            if outcome == 'stale' or outcome == 'damaged' then
                call('SREM', leads, sessions[index])
            end
        end
        return '{"owner":"' .. owner .. '","moved":' .. int(counts.moved or 0) .. ',"leaderless":'
            .. int(counts.leaderless or 0) .. ',"waiting":' .. int(counts.waiting or 0) .. ',"damaged":'
            .. int(counts.damaged or 0) .. ',"left":' .. int(call('SCARD', leads)) .. ','
            .. undecided_json(undecided) .. '}'
    end,
})

mu.define('sweep', {
    least = 3,
    most = 5,
    usage = 'epoch cursor budget | epoch - budget session rank',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.fence(c, args[1])
        local budget = mu.check_integer(args[3], 'budget', 1, 512)
        local leaderless = c.prefix .. 'leaderless'
        local cursor, from = '0', nil
        local sessions
        if args[2] == '-' then
            if #args ~= 5 then
                fail('BAD_REQUEST', 'session and rank are needed after -')
            end
            check_id(args[4], 'session')
            from = int(mu.check_integer(args[5], 'rank', 0, 9007199254740991))
            sessions = { args[4] }
            mu.typed(c, 'SCARD', leaderless)
        else
            if #args ~= 3 then
                fail('BAD_REQUEST', 'a session is named only with the cursor -')
            end
            mu.check_cursor(args[2])
            local page = call('SSCAN', leaderless, args[2], 'COUNT', int(budget))
            cursor, sessions = page[1], page[2]
        end
        local counts, undecided = {}, {}
        local function leads_nobody(session)
            return session.leader == ''
        end
        for index = 1, #sessions do
            local outcome = tally(c, counts, undecided, sessions[index], leads_nobody, 'eligible-again', from)
            if outcome == 'stale' then
                call('SREM', leaderless, sessions[index])
            end
        end
        -- Put off for want of looks: the coordinator asks for each from its beginning.
        for index = 1, #(undecided.waiting or {}) do
            undecided[#undecided + 1] = '["' .. undecided.waiting[index] .. '",0]'
        end
        return '{"cursor":"' .. cursor .. '","looked":' .. int(#sessions) .. ',"elected":' .. int(counts.moved or 0)
            .. ',"damaged":' .. int(counts.damaged or 0) .. ',"left":' .. int(call('SCARD', leaderless)) .. ','
            .. undecided_json(undecided) .. '}'
    end,
})

-- One membership of a ghost: ends it unless somebody adopted it. Returns 'removed', 'kept' (not
-- the ghost's any more) or 'waiting'.
local function reap_membership(c, ghost, connection, session_id)
    local session = mu.load_session(c, session_id, connection)
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

local function quarantine(c, ghost, connection, text)
    call('HSET', c.prefix .. 'quarantine', ghost.name .. '/' .. connection, text)
    if mu.look.is_id(connection) then
        mu.note_left(c, { connection = connection, instance = ghost.instance, incarnation = ghost.incarnation }, nil,
            'quarantined')
    end
end
mu.quarantine = quarantine

-- One record of a ghost, as far as the budget of memberships reaches. Memberships that cannot be
-- handled are set aside, the others go on.
local function reap_record(c, ghost, connection, text, totals)
    local record = mu.parse_record(text)
    if not record then
        quarantine(c, ghost, connection, text)
        call('HDEL', ghost.key, connection)
        call('ZREM', c.prefix .. 'deadlines', mu.deadline_name(ghost, connection))
        totals.quarantined = totals.quarantined + 1
        return
    end
    local sessions, rest, damaged = record.sessions, {}, {}
    if #sessions == 0 then
        totals.budget = totals.budget - 1
        mu.note_left(c, { connection = connection, instance = ghost.instance, incarnation = ghost.incarnation }, nil,
            ghost.reason)
    end
    for index = 1, #sessions do
        if totals.budget <= 0 then
            rest[#rest + 1] = sessions[index]
        else
            totals.budget = totals.budget - 1
            local ok, outcome = pcall(reap_membership, c, ghost, connection, sessions[index])
            if not ok then
                damaged[#damaged + 1] = sessions[index]
            elseif outcome == 'waiting' then
                totals.waiting = totals.waiting + 1
                rest[#rest + 1] = sessions[index]
            elseif outcome == 'removed' then
                totals.removed = totals.removed + 1
            end
        end
    end
    if #damaged > 0 then
        record.sessions = damaged
        quarantine(c, ghost, connection, mu.format_record(record))
        totals.quarantined = totals.quarantined + 1
    end
    if #rest == 0 then
        call('HDEL', ghost.key, connection)
        mu.count_held(c, record, true)
        if mu.has_deadline(record) then
            call('ZREM', c.prefix .. 'deadlines', mu.deadline_name(ghost, connection))
        end
        totals.connections = totals.connections + 1
    elseif #rest < #sessions then
        record.sessions = rest
        call('HSET', ghost.key, connection, mu.format_record(record))
        mu.count_held(c, record)
    end
end

local function end_ghost(c, ghost)
    call('DEL', ghost.key, ghost.key .. ':leads')
    call('ZREM', c.prefix .. 'ghosts', ghost.name)
end

mu.define('reap', {
    least = 4,
    most = 4,
    usage = 'epoch ghost cursor budget',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.fence(c, args[1])
        local name = args[2]
        local instance, incarnation = match(name, '^([^:]*):([^:]*)$')
        if not instance then
            fail('BAD_REQUEST', 'ghost ' .. quote(name) .. ' must be <instance>:<incarnation>')
        end
        check_id(instance, 'instance')
        check_id(incarnation, 'incarnation')
        mu.check_cursor(args[3])
        local totals = {
            budget = mu.check_integer(args[4], 'budget', 1, 4096),
            removed = 0, connections = 0, waiting = 0, quarantined = 0,
        }
        local ghost = {
            name = name, instance = instance, incarnation = incarnation, key = c.prefix .. 'ghosts:' .. name,
        }
        local due = tonumber(call('ZSCORE', c.prefix .. 'ghosts', name) or 0)
        ghost.reason = call('HGET', ghost.key, '#reason') or 'instance-dead'
        mu.typed(c, 'HLEN', c.prefix .. 'quarantine')
        mu.typed(c, 'ZCARD', c.prefix .. 'deadlines')
        local cursor, early = args[3], ''
        local latest = mu.now(c) + c.config.resume_grace_ms
        if due > latest then -- the clock was set back since, or the grace is shorter now
            call('ZADD', c.prefix .. 'ghosts', int(latest), name)
            due = latest
        end
        if due > mu.now(c) then
            early = '"early":' .. int(due - mu.now(c)) .. ','
        else
            local page = call('HSCAN', ghost.key, cursor, 'COUNT', int(totals.budget))
            local fields = page[2]
            local index = 1
            while index < #fields and totals.budget > 0 do
                if sub(fields[index], 1, 1) ~= '#' then
                    reap_record(c, ghost, fields[index], fields[index + 1], totals)
                end
                index = index + 2
            end
            -- The same page again when it was not finished.
            if index >= #fields and totals.budget > 0 and totals.waiting == 0 then
                cursor = page[1]
            end
        end
        local left = call('HLEN', ghost.key)
        if call('HEXISTS', ghost.key, '#reason') == 1 then
            left = left - 1
        end
        local done = left == 0 and early == ''
        if done then
            end_ghost(c, ghost)
        end
        return '{"ghost":"' .. name .. '",' .. early .. '"removed":' .. int(totals.removed) .. ',"connections":'
            .. int(totals.connections) .. ',"waiting":' .. int(totals.waiting) .. ',"quarantined":'
            .. int(totals.quarantined) .. ',"cursor":"' .. cursor .. '","left":' .. int(left) .. ',"done":'
            .. (done and 'true' or 'false') .. '}'
    end,
})
