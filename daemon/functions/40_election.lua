-- Elections: who leads next, within a bounded number of looks, and the change itself.

local int, load_session = mu.int, mu.load_session

-- Looks through the candidates by rank for the first that is eligible, but never at `except`, and
-- at no more than c.looks of them. Reads only.
-- Returns the candidate {connection, instance, incarnation}; or nil; or nil and the rank from
-- which to go on when the looks were used up first.
local function choose(c, session, except, from)
    local key = session.key .. ':candidates'
    local start, chunk = 0, 4
    -- How the names of an owner end whose candidates may not lead: after a death all of the first
    -- ones may be of one.
    local barred, size = nil, 0
    while true do
        if chunk > c.looks then
            chunk = c.looks
        end
        -- One more than we may look at: where an undecided election goes on.
        local found
        if from then
            found = call('ZRANGEBYSCORE', key, from, '+inf', 'LIMIT', int(start), int(chunk + 1))
        else
            found = call('ZRANGE', key, int(start), int(start + chunk))
        end
        local count = #found
        local looks = min(count, chunk)
        for index = 1, looks do
            local name = found[index]
            if not barred or sub(name, -size) ~= barred then
                local connection, instance, incarnation = match(name, '^([^/]*)/([^/]*)/(.*)$')
                if not connection or not mu.is_eligible(c, instance, incarnation) then
                    barred = connection and '/' .. instance .. '/' .. incarnation
                    size = barred and #barred or 0
                elseif connection ~= except then
                    c.looks = c.looks - index
                    return { connection = connection, instance = instance, incarnation = incarnation }
                end
            end
        end
        c.looks = c.looks - looks
        if count <= chunk then
            return nil
        end
        if c.looks <= 0 then
            return nil, int(tonumber(call('ZSCORE', key, found[chunk + 1])))
        end
        start = start + chunk
        chunk = 64
    end
end
mu.choose = choose

-- Plans who follows the present leader, who is the member `leader` (parsed) or nil.
-- `slice`: the call does many elections; one that could not be decided only because others had
-- used up the looks is put off (plan.waits).
function mu.plan_election(c, session, leader, except, slice, from)
    local plan = { had = c.looks, leader = leader }
    if c.looks > 0 then
        plan.chosen, plan.undecided = choose(c, session, except, from)
    else
        plan.undecided = '0'
    end
    if plan.undecided and slice and plan.had < ELECTION_LOOKS then
        plan.waits = true
        return plan
    end
    if leader then
        plan.old_leads = mu.leads_key(c, leader.instance, leader.incarnation)
        mu.typed(c, 'SCARD', plan.old_leads)
    end
    if plan.chosen then
        plan.new_leads = mu.leads_key(c, plan.chosen.instance, plan.chosen.incarnation)
        mu.typed(c, 'SCARD', plan.new_leads)
    end
    mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    return plan
end

-- Carries a plan out: leads, leaderless, term and event. The session is saved by the caller.
-- plan.anew: the leader's id is the same, but it is another connection, so another leader.
function mu.apply_election(c, session, plan, reason)
    local previous = session.leader
    local leader = plan.chosen and plan.chosen.connection or ''
    if plan.old_leads then
        call('SREM', plan.old_leads, session.id)
    end
    if plan.new_leads then
        call('SADD', plan.new_leads, session.id)
    end
    if leader == '' then
        -- A session without candidates has nobody to wait for.
        if call('EXISTS', session.key .. ':candidates') == 1 then
            call('SADD', c.prefix .. 'leaderless', session.id)
        else
            call('SREM', c.prefix .. 'leaderless', session.id)
        end
    elseif previous == '' then
        call('SREM', c.prefix .. 'leaderless', session.id)
    end
    if leader == previous and not plan.anew then
        return
    end
    mu.lift(c, session)
    session.leader = leader
    session.term = session.term + 1
    session.whole = true
    mu.session_event(c, session, 'leader.changed', ',"leader":' .. mu.id_or_null(leader) .. ',"previous":'
        .. mu.id_or_null(previous) .. ',"reason":"' .. reason .. '"')
    mu.note_leader(c, session, previous, plan.leader, plan.chosen, reason)
end

-- The parsed member who leads, or nil.
function mu.leader_of(session)
    if session.leader == '' then
        return nil
    end
    local text = call('HGET', session.key, session.leader)
    return text and mu.parse_member(text)
end

-- One session of the coordinator's slices. `wants(leader)` says whether the present leader is to
-- be replaced; reads first, then writes. Returns 'moved', 'leaderless', 'waiting' or 'stale', and
-- the rank to go on from when undecided.
function mu.replace_leader(c, id, wants, reason, from)
    local session = load_session(c, id)
    if not session.exists then
        return 'stale'
    end
    local leader = mu.leader_of(session)
    if not wants(session, leader) then
        return 'stale'
    end
    mu.check_session_keys(c, session)
    local plan = mu.plan_election(c, session, leader, session.leader, true, from)
    if plan.waits then
        return 'waiting'
    end
    local before = session.leader
    mu.apply_election(c, session, plan, reason)
    if session.leader ~= before then
        mu.save(session)
    end
    return plan.chosen and 'moved' or 'leaderless', plan.undecided
end
