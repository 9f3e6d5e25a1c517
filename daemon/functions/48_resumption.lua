-- One connection takes the place of another in a session: membership, rank and leadership, with no
-- leave and no join.

-- `member` is the old one, `who` {connection, instance, incarnation, profile or nil}.
function mu.plan_resumption(c, session, member, who)
    local plan = { session = session, member = member, who = who }
    mu.check_session_keys(c, session)
    plan.candidate = mu.candidate(member.connection, member.instance, member.incarnation)
    plan.rank = call('ZSCORE', session.key .. ':candidates', plan.candidate) or member.rank
    plan.eligible = not member.leads_never and mu.is_eligible(c, who.instance, who.incarnation)
    plan.old_leads = mu.leads_key(c, member.instance, member.incarnation)
    plan.new_leads = mu.leads_key(c, who.instance, who.incarnation)
    mu.typed(c, 'SCARD', plan.old_leads)
    mu.typed(c, 'SCARD', plan.new_leads)
    mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    if who.connection ~= member.connection and call('HEXISTS', session.key, who.connection) == 1 then
        mu.fail('CONNECTION_TAKEN', 'session ' .. mu.quote(session.id) .. ' has a member ' .. mu.quote(who.connection)
            .. ' already')
    end
    if session.leader == member.connection and not plan.eligible then
        -- Whoever leads next is chosen now, among the others: reads come before writes.
        plan.election = mu.plan_election(c, session, nil, member.connection, false)
        plan.election.old_leads = plan.old_leads
    end
    plan.reason = plan.eligible and 'resumed' or mu.ineligible_reason(c, who.instance, who.incarnation)
    return plan
end

function mu.apply_resumption(c, plan)
    local session, member, who = plan.session, plan.member, plan.who
    local old, candidates = member.connection, session.key .. ':candidates'
    mu.lift(c, session)
    call('ZREM', candidates, plan.candidate)
    if plan.rank and not member.leads_never then
        call('ZADD', candidates, plan.rank, mu.candidate(who.connection, who.instance, who.incarnation))
    end
    if who.connection ~= old then
        call('HDEL', session.key, old)
    end
    mu.set_present(member)
    member.connection, member.instance, member.incarnation = who.connection, who.instance, who.incarnation
    member.profile = who.profile or member.profile
    local text = mu.format_member(member)
    mu.session_event(c, session, 'member.resumed', ',"connection":"' .. who.connection .. '","old":"' .. old
        .. '","member":' .. text)
    if session.leader == old then
        local election = plan.election
        if plan.eligible then
            -- Another connection is another leader, even under the same id: the old one may still
            -- believe in its term.
            election = { chosen = who, old_leads = plan.old_leads, new_leads = plan.new_leads, anew = true }
        end
        mu.apply_election(c, session, election, plan.reason)
    elseif session.leader == '' then
        mu.lead_or_wait(c, session, plan, plan.rank, 'resumed')
    end
    mu.save(session, who.connection, text)
end
