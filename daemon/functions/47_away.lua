-- A member goes away and comes back: still a member, no candidate. Plans read, applies write.

local int = mu.int

function mu.plan_away(c, session, member)
    local plan = { session = session, member = member }
    mu.check_session_keys(c, session)
    mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    plan.candidate = mu.candidate(member.connection, member.instance, member.incarnation)
    plan.rank = call('ZSCORE', session.key .. ':candidates', plan.candidate)
    if session.leader == member.connection then
        plan.election = mu.plan_election(c, session, member, member.connection, false)
    end
    return plan
end

-- Its rank waits in its member JSON.
function mu.apply_away(c, plan, until_at)
    local session, member = plan.session, plan.member
    mu.lift(c, session)
    call('ZREM', session.key .. ':candidates', plan.candidate)
    member.options = member.options .. ',"away":true'
        .. (plan.rank and ',"rank":' .. int(tonumber(plan.rank)) or '')
    mu.session_event(c, session, 'member.away', ',"connection":"' .. member.connection .. '","until":' .. until_at)
    if plan.election then
        mu.apply_election(c, session, plan.election, 'away')
    elseif session.leader == '' and call('EXISTS', session.key .. ':candidates') == 0 then
        call('SREM', c.prefix .. 'leaderless', session.id)
    end
    mu.save(session, member.connection, mu.format_member(member))
end

-- One membership of a connection that is away no longer; nil when that one never was.
local function plan_return(c, session, member)
    if not member.away then
        return nil
    end
    local plan = { session = session, member = member, who = member }
    mu.check_session_keys(c, session)
    plan.eligible = not member.leads_never and mu.is_eligible(c, member.instance, member.incarnation)
    if session.leader == '' then
        plan.new_leads = mu.leads_key(c, member.instance, member.incarnation)
        mu.typed(c, 'SCARD', plan.new_leads)
        mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    end
    return plan
end

-- All memberships of an away connection; `memberships` as own_memberships() gives them. The record
-- becomes present; it is stored by the caller, with mu.set_deadline().
function mu.plan_returns(c, record, memberships)
    local plans = {}
    for index = 1, #memberships do
        plans[#plans + 1] = plan_return(c, memberships[index].session, memberships[index].member)
    end
    mu.check_deadlines(c)
    record.until_at = ''
    return plans
end

local function apply_return(c, plan)
    local session, member = plan.session, plan.member
    local connection, rank = member.connection, member.rank
    mu.lift(c, session)
    if rank and not member.leads_never then
        call('ZADD', session.key .. ':candidates', rank,
            mu.candidate(connection, member.instance, member.incarnation))
    end
    mu.set_present(member)
    local text = mu.format_member(member)
    mu.session_event(c, session, 'member.resumed', ',"connection":"' .. connection .. '","old":"' .. connection
        .. '","member":' .. text)
    if session.leader == '' then
        mu.lead_or_wait(c, session, plan, rank, 'resumed')
    end
    mu.save(session, connection, text)
end

function mu.apply_returns(c, plans)
    for index = 1, #plans do
        apply_return(c, plans[index])
    end
end
