-- Membership: joining, leaving, adoption. Each has a plan, which reads and checks, and an apply,
-- which writes; an operation on several sessions plans all before it applies any.

local fail, int, quote = mu.fail, mu.int, mu.quote

local function candidate(connection, instance, incarnation)
    return connection .. '/' .. instance .. '/' .. incarnation
end
mu.candidate = candidate

-- The member `connection` of a loaded session, or nil. Damage is reported, not overlooked.
function mu.member_of(session)
    if not session.text then
        return nil
    end
    return mu.parse_member(session.text)
        or fail('INTERNAL', 'a member of ' .. session.key .. ' cannot be read (run musterctl fsck)')
end

local function user_count(session, user)
    local text = call('HGET', session.key .. ':users', user)
    return text and mu.stored(text, session.key .. ':users', quote(user)) or 0
end

-- ---- leaving -------------------------------------------------------------------------------

-- Plans the end of a membership. `slice`: see plan_election(); then plan.waits may be set.
function mu.plan_removal(c, session, member, slice)
    local plan = { session = session, member = member }
    mu.check_session_keys(c, session)
    if member.user then
        plan.user_count = user_count(session, member.user)
    end
    plan.closes = session.count <= 1 and not session.keep
    if session.leader == member.connection then
        if plan.closes then
            plan.old_leads = mu.leads_key(c, member.instance, member.incarnation)
            mu.typed(c, 'SCARD', plan.old_leads)
        else
            plan.election = mu.plan_election(c, session, member, member.connection, slice)
            plan.waits = plan.election.waits
        end
    end
    if plan.closes then
        mu.typed(c, 'HLEN', session.key .. ':users')
    end
    if plan.closes or session.leader == '' then
        mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    end
    return plan
end

-- Carries it out: keys, `member.left`, and the next leader. The record is the caller's business.
function mu.apply_removal(c, plan, reason, detail)
    local session, member = plan.session, plan.member
    local connection = member.connection
    mu.lift(c, session)
    session.count = session.count - 1
    local last = ''
    if member.user then
        local left = plan.user_count - 1
        if left <= 0 then
            call('HDEL', session.key .. ':users', member.user)
        else
            call('HSET', session.key .. ':users', member.user, int(left))
        end
        last = ',"last":' .. (left <= 0 and 'true' or 'false')
    else
        session.anonymous = session.anonymous - 1
    end
    call('HDEL', session.key, connection)
    call('ZREM', session.key .. ':candidates', candidate(connection, member.instance, member.incarnation))
    mu.session_event(c, session, 'member.left', ',"count":' .. int(session.count) .. last
        .. ',"connection":"' .. connection .. '"' .. (member.user and ',"user":"' .. member.user .. '"' or '')
        .. ',"instance":"' .. member.instance .. '","reason":"' .. reason .. '"'
        .. (detail and ',"detail":' .. detail or '') .. (plan.closes and ',"closed":true' or ''))
    mu.note_left(c, member, session.id, reason, detail, plan.by)
    if plan.closes then
        if plan.old_leads then
            call('SREM', plan.old_leads, session.id)
        end
        mu.close(c, session)
        return
    end
    if plan.election then
        mu.apply_election(c, session, plan.election, reason)
    elseif session.leader == '' and call('EXISTS', session.key .. ':candidates') == 0 then
        call('SREM', c.prefix .. 'leaderless', session.id)
    end
    mu.save(session)
end

-- Plans to take `session_id` out of the record of the member's owner. A ghost's record that lists no
-- session any more will be gone; a live one stays registered. Returns the record as it will be, or
-- nil when there is nothing to take out.
function mu.plan_drop(c, member, session_id)
    local key, live = mu.records_key(c, member.instance, member.incarnation)
    local text = call('HGET', key, member.connection)
    local record = text and mu.parse_record(text)
    local position = record and mu.position(record.sessions, session_id)
    if not position then
        return nil
    end
    local sessions = {}
    for index = 1, #record.sessions do
        if index ~= position then
            sessions[#sessions + 1] = record.sessions[index]
        end
    end
    record.sessions, record.key = sessions, key
    record.gone = not live and #sessions == 0
    if record.gone and mu.has_deadline(record) then
        mu.check_deadlines(c)
    end
    return record
end

-- Carries it out; `record` as plan_drop() returned it.
function mu.apply_drop(c, member, record)
    if not record then
        return
    end
    if record.gone then
        call('HDEL', record.key, member.connection)
        mu.clear_deadline(c, record, member)
    else
        call('HSET', record.key, member.connection, mu.format_record(record))
    end
    mu.count_held(c, record, record.gone)
end

-- The memberships that the record lists and that truly are `who`'s: {session, member} each, but not
-- that of session `except` (may be nil). `loaded` (may be nil): sessions by id, shared by several
-- connections of one call.
function mu.own_memberships(c, record, who, except, loaded)
    local found = {}
    for index = 1, #record.sessions do
        local id = record.sessions[index]
        local session = loaded and loaded[id]
        if session then
            session.text = call('HGET', session.key, who.connection)
        elseif id ~= except then
            session = mu.load_session(c, id, who.connection)
            if loaded then
                loaded[id] = session
            end
        end
        local member = session and mu.member_of(session)
        if member and member.instance == who.instance and member.incarnation == who.incarnation then
            found[#found + 1] = { session = session, member = member }
        end
    end
    return found
end

-- ---- joining -------------------------------------------------------------------------------

-- `who`: {connection, instance, incarnation, user, profile}. `gone`: the member that leaves in the
-- same step before, or nil.
function mu.plan_join(c, session, who, options, gone)
    local count = session.count - (gone and 1 or 0)
    local limit = options.limit
    if session.limit and (not limit or session.limit < limit) then
        limit = session.limit
    end
    if limit and count >= limit then
        fail('SESSION_FULL', format('session %s has %.0f members, its limit is %.0f', quote(session.id), count, limit))
    end
    mu.check_session_keys(c, session)
    local plan = { session = session, who = who, options = options }
    if who.user then
        plan.user_count = user_count(session, who.user)
        if gone and gone.user == who.user then
            plan.user_count = plan.user_count - 1
        end
    end
    plan.may_lead = options.lead ~= false and mu.is_eligible(c, who.instance, who.incarnation)
    -- Who joins a session that is led, and from which nobody leaves first, cannot become leader.
    if session.leader == '' or gone then
        plan.leads = c.prefix .. 'instance:' .. who.instance .. ':leads'
        mu.typed(c, 'SCARD', plan.leads)
        mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    end
    return plan
end

function mu.apply_join(c, plan)
    local session, who, options = plan.session, plan.who, plan.options
    local opened = not session.exists
    if opened then
        mu.open(c, session)
    else
        mu.lift(c, session)
    end
    local rank = (PRIORITY_MAX - (options.priority or 0)) * RANK_STEP + session.seq + 1
    local member = '{"connection":"' .. who.connection .. '","instance":"' .. who.instance .. '","incarnation":"'
        .. who.incarnation .. '"' .. (who.user and ',"user":"' .. who.user .. '"' or '')
        .. ',"joined_at":' .. int(mu.now(c))
        .. ((options.priority or 0) ~= 0 and ',"priority":' .. int(options.priority) or '')
        .. (options.lead == false and ',"lead":false' or '') .. ',"profile":' .. who.profile .. '}'

    session.count = session.count + 1
    local first = ''
    if who.user then
        call('HSET', session.key .. ':users', who.user, int(plan.user_count + 1))
        first = ',"first":' .. (plan.user_count == 0 and 'true' or 'false')
    else
        session.anonymous = session.anonymous + 1
    end
    if options.lead ~= false then
        call('ZADD', session.key .. ':candidates', int(rank), candidate(who.connection, who.instance, who.incarnation))
    end
    mu.session_event(c, session, 'member.joined', ',"count":' .. int(session.count) .. first .. ',"member":' .. member)
    if session.leader == '' then
        if plan.may_lead then
            mu.apply_election(c, session, { chosen = who, new_leads = plan.leads }, 'first')
        elseif options.lead ~= false then
            call('SADD', c.prefix .. 'leaderless', session.id)
        end
    end
    mu.save(session, who.connection, member)
end

-- ---- who was a member before ---------------------------------------------------------------

-- An away member is one no longer.
function mu.set_present(member)
    member.options = gsub(gsub(member.options, ',"away":true', ''), ',"rank":%d+', '')
    member.away = false
end

-- A session without leader, of which plan.who is a candidate again (with `rank`; nil: never leads).
function mu.lead_or_wait(c, session, plan, rank, reason)
    if plan.eligible then
        mu.apply_election(c, session, { chosen = plan.who, new_leads = plan.new_leads }, reason)
    elseif rank and not plan.member.leads_never then
        call('SADD', c.prefix .. 'leaderless', session.id)
    end
end

-- ---- adoption ------------------------------------------------------------------------------

-- The same connection of a new incarnation takes over what the dead one was: membership, rank and
-- leadership. `member` is the old one.
function mu.plan_adoption(c, session, member, who)
    local plan = { session = session, member = member, who = who }
    mu.check_session_keys(c, session)
    plan.drop = mu.plan_drop(c, member, session.id)
    plan.old_leads = mu.leads_key(c, member.instance, member.incarnation)
    plan.new_leads = c.prefix .. 'instance:' .. who.instance .. ':leads'
    mu.typed(c, 'SCARD', plan.old_leads)
    mu.typed(c, 'SCARD', plan.new_leads)
    mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    plan.eligible = not member.leads_never and mu.is_eligible(c, who.instance, who.incarnation)
    if session.leader == member.connection and not plan.eligible then
        -- The successor is chosen now, among the others: reads come before writes.
        plan.election = mu.plan_election(c, session, nil, member.connection, false)
        plan.election.old_leads = plan.new_leads
        plan.election_reason = mu.ineligible_reason(c, who.instance, who.incarnation)
    end
    return plan
end

function mu.apply_adoption(c, plan)
    local session, member, who = plan.session, plan.member, plan.who
    local connection = member.connection
    local candidates = session.key .. ':candidates'
    mu.apply_drop(c, member, plan.drop)
    local lifted = mu.lift(c, session)

    local old = candidate(connection, member.instance, member.incarnation)
    local rank = call('ZSCORE', candidates, old) or member.rank
    call('ZREM', candidates, old)
    if rank and not member.leads_never then
        call('ZADD', candidates, rank, candidate(connection, who.instance, who.incarnation))
    end
    if session.leader == connection then
        call('SREM', plan.old_leads, session.id)
        call('SADD', plan.new_leads, session.id)
    end

    local changed, away = lifted or member.profile ~= who.profile, member.away
    member.instance, member.incarnation, member.profile = who.instance, who.incarnation, who.profile
    mu.set_present(member)
    local text = mu.format_member(member)
    if away then
        mu.session_event(c, session, 'member.resumed', ',"connection":"' .. connection .. '","old":"' .. connection
            .. '","member":' .. text)
    elseif changed then
        mu.session_event(c, session, 'member.updated', ',"member":' .. text)
    end
    if plan.election then
        mu.apply_election(c, session, plan.election, plan.election_reason)
    elseif session.leader == '' then
        mu.lead_or_wait(c, session, plan, rank, away and 'resumed' or 'eligible-again')
    end
    mu.save(session, connection, text)
end
