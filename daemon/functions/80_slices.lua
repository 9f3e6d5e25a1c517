-- The coordinator's slices of leaderships: elect sweep. Fenced. One damaged session must not stop the
-- others, so each is handled under pcall, reads before writes.

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
