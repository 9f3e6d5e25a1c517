-- ENTER JOIN LEAVE PROMOTE KICK

local fail, check_id, quote, int = mu.fail, mu.check_id, mu.quote, mu.int
local load_session = mu.load_session

local function reply(session, connection, outcome)
    return '{"session":"' .. session.id .. '","connection":"' .. connection .. '",' .. outcome .. ',"gen":"'
        .. session.gen .. '","seq":' .. int(session.seq) .. ',"leader":' .. mu.id_or_null(session.leader)
        .. ',"term":' .. int(session.term) .. ',"count":' .. int(session.count) .. '}'
end

-- The session takes its place in the record, at most once.
local function list_session(c, record, session, connection)
    if mu.position(record.sessions, session.id) then
        return
    end
    if #record.sessions >= c.config.sessions_per_connection then
        fail('TOO_MANY_SESSIONS', format('connection %s is in %.0f sessions, as many as it may be', quote(connection),
            #record.sessions))
    end
    record.sessions[#record.sessions + 1] = session.id
end

local function newcomer(connection, instance, incarnation, record)
    return {
        connection = connection,
        instance = instance,
        incarnation = incarnation,
        user = record.user,
        profile = record.profile,
    }
end

-- What happens in the connection's other sessions, and to one that was away: plan.removals (all of
-- them, for `exclusive`) and plan.returns. Changes the record, which the caller stores; plan.changes
-- says whether it must.
local function plan_others(c, session, own, who, options, record)
    local plan = { removals = {}, returns = {}, away = record.until_at ~= '' }
    if not plan.away and not (options.exclusive and #record.sessions > 0) then
        return plan
    end
    local others = mu.own_memberships(c, record, who, session.id)
    if options.exclusive then
        for index = 1, #others do
            plan.removals[index] = mu.plan_removal(c, others[index].session, others[index].member, false)
        end
        others = {}
        local kept = own and { session.id } or {}
        plan.changes = #kept ~= #record.sessions
        record.sessions = kept
    end
    if plan.away then
        if own then
            others[#others + 1] = { session = session, member = own }
        end
        plan.returns = mu.plan_returns(c, record, others)
        plan.changes = true
    end
    return plan
end

-- Stores the record as well.
local function apply_others(c, plan, key, record, who)
    mu.store_record(c, key, record, who)
    if plan.away then
        mu.set_deadline(c, record, who)
    end
    for index = 1, #plan.removals do
        mu.apply_removal(c, plan.removals[index], 'exclusive')
    end
    mu.apply_returns(c, plan.returns)
end

-- What ENTER and JOIN share. `record` is the connection's (new ones are not stored yet); `member`
-- the present holder of the id in this session, or nil.
local function join(c, session, member, who, options, key, record)
    local own = member and member.instance == who.instance and member.incarnation == who.incarnation and member
    if member and not own and mu.is_live(c, member.instance, member.incarnation) then
        fail('CONNECTION_TAKEN', 'connection ' .. quote(who.connection) .. ' in session ' .. quote(session.id)
            .. ' belongs to instance ' .. quote(member.instance))
    end
    local others = plan_others(c, session, own, who, options, record)
    if own then
        if others.changes then
            apply_others(c, others, key, record, who)
        end
        return reply(session, who.connection, '"joined":false')
    end
    list_session(c, record, session, who.connection)
    mu.hold(record, options.quota)
    if member and member.instance == who.instance and member.user == who.user then
        local plan = mu.plan_adoption(c, session, member, who)
        if plan.drop then
            mu.pass_on(record, plan.drop)
        end
        mu.check_quota(c, options.quota, record, plan.drop)
        apply_others(c, others, key, record, who)
        mu.apply_adoption(c, plan)
        return reply(session, who.connection, '"joined":false,"adopted":true')
    end
    local removal, drop = nil, nil
    if member then
        drop = mu.plan_drop(c, member, session.id)
        removal = mu.plan_removal(c, session, member, false)
        removal.by = who.instance .. ':' .. who.incarnation
    end
    local plan = mu.plan_join(c, session, who, options, member)
    mu.check_quota(c, options.quota, record, drop)
    apply_others(c, others, key, record, who)
    if removal then
        mu.apply_drop(c, member, drop)
        mu.apply_removal(c, removal, 'superseded')
    end
    mu.apply_join(c, plan)
    return reply(session, who.connection, '"joined":true')
end

mu.define('enter', {
    least = 4,
    most = 6,
    usage = 'session connection instance incarnation [options [profile]]',
    quick = mu.enter_fast,
    body = function(c, args)
        local connection, instance, incarnation = args[2], args[3], args[4]
        check_id(args[1], 'session')
        local options = mu.options_argument(c, args[5], 'enter')
        local profile = mu.object_argument(c, args[6], 'profile')
        local key, record, known = mu.own_record(c, connection, instance, incarnation)
        local session = load_session(c, args[1], connection, c.fields)
        local member = mu.member_of(session)
        if record then
            mu.check_same_user(record, options, connection)
        else
            -- Who will be adopted is no new connection.
            if not (member and member.instance == instance and member.user == options.user) then
                mu.check_not_draining(known, instance)
            end
            record = mu.new_connection(c, { connection = connection, instance = instance, incarnation = incarnation },
                options, profile)
        end
        local who = newcomer(connection, instance, incarnation, record)
        return join(c, session, member, who, options, key, record)
    end,
})

mu.define('join', {
    least = 4,
    most = 5,
    usage = 'session connection instance incarnation [options]',
    body = function(c, args)
        local connection, instance, incarnation = args[2], args[3], args[4]
        check_id(args[1], 'session')
        local options = mu.options_argument(c, args[5], 'join')
        local key, record = mu.own_record(c, connection, instance, incarnation)
        if not record then
            fail('UNKNOWN_CONNECTION', 'connection ' .. quote(connection) .. ' is not registered')
        end
        local session = load_session(c, args[1], connection)
        local who = newcomer(connection, instance, incarnation, record)
        return join(c, session, mu.member_of(session), who, options, key, record)
    end,
})

local function left_reply(session, connection, left)
    local known = session.seq ~= nil
    return '{"session":"' .. session.id .. '","connection":"' .. connection .. '","left":' .. (left and 'true' or 'false')
        .. ',"seq":' .. (known and int(session.seq) or 'null') .. ',"leader":' .. mu.id_or_null(session.leader)
        .. ',"term":' .. (known and int(session.term) or 'null') .. ',"count":' .. int(session.count) .. '}'
end

mu.define('leave', {
    least = 4,
    most = 4,
    usage = 'session connection instance incarnation',
    flags = { 'allow-oom' },
    body = function(c, args)
        local connection, instance, incarnation = args[2], args[3], args[4]
        check_id(args[1], 'session')
        mu.own_record(c, connection, instance, incarnation)
        local session = load_session(c, args[1], connection)
        local member = mu.member_of(session)
        if not member or member.instance ~= instance or member.incarnation ~= incarnation then
            return left_reply(session, connection, false)
        end
        local plan = mu.plan_removal(c, session, member, false)
        mu.apply_drop(c, member, mu.plan_drop(c, member, session.id))
        mu.apply_removal(c, plan, 'left')
        return left_reply(session, connection, true)
    end,
})

mu.define('kick', {
    least = 2,
    most = 3,
    usage = 'session connection [detail]',
    flags = { 'allow-oom' },
    body = function(c, args)
        local connection, detail = args[2], args[3]
        check_id(args[1], 'session')
        check_id(connection, 'connection')
        if detail and detail ~= '' then
            if #detail > DETAIL_MAX then
                fail('TOO_LARGE', format('detail has %.0f bytes, at most %.0f are allowed', #detail, DETAIL_MAX))
            end
            if not mu.utf8_valid(detail) then
                fail('BAD_REQUEST', 'detail is not valid UTF-8')
            end
            detail = encode(detail)
        else
            detail = nil
        end
        local session = load_session(c, args[1], connection)
        local member = mu.member_of(session)
        if not member then
            return left_reply(session, connection, false)
        end
        local plan = mu.plan_removal(c, session, member, false)
        mu.apply_drop(c, member, mu.plan_drop(c, member, session.id))
        mu.apply_removal(c, plan, 'kicked', detail)
        return left_reply(session, connection, true)
    end,
})

mu.define('promote', {
    least = 2,
    most = 3,
    usage = 'session connection [expected_term]',
    flags = { 'allow-oom' },
    body = function(c, args)
        local connection = args[2]
        check_id(args[1], 'session')
        check_id(connection, 'connection')
        local expected = args[3] and args[3] ~= ''
            and mu.check_integer(args[3], 'expected_term', 0, 9007199254740991)
        local session = load_session(c, args[1], connection)
        local member = mu.member_of(session)
        if not member then
            fail('NOT_MEMBER', 'connection ' .. quote(connection) .. ' is not a member of session ' .. quote(args[1]))
        end
        local previous = session.leader
        if previous ~= connection then
            if expected and expected ~= session.term then
                fail('STALE_TERM', format('the term of session %s is %.0f, not %.0f', quote(args[1]), session.term, expected))
            end
            if member.leads_never or member.away or not mu.is_eligible(c, member.instance, member.incarnation) then
                fail('NOT_ELIGIBLE', 'connection ' .. quote(connection) .. ' may not lead now')
            end
            local leader = mu.leader_of(session)
            local plan = { leader = leader, chosen = member, new_leads = mu.leads_key(c, member.instance, member.incarnation) }
            mu.check_session_keys(c, session)
            mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
            mu.typed(c, 'SCARD', plan.new_leads)
            if leader then
                plan.old_leads = mu.leads_key(c, leader.instance, leader.incarnation)
                mu.typed(c, 'SCARD', plan.old_leads)
            end
            mu.apply_election(c, session, plan, 'promoted')
            mu.save(session)
        end
        return '{"session":"' .. session.id .. '","leader":"' .. connection .. '","previous":' .. mu.id_or_null(previous)
            .. ',"term":' .. int(session.term) .. ',"seq":' .. int(session.seq) .. '}'
    end,
})
