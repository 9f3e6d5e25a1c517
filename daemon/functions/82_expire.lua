-- The coordinator's slices of `deadlines`: expire. Fenced.

local int = mu.int

-- Plans the end of every membership; those that cannot be handled are listed apart. Returns nil
-- when an election must wait for the next slice: a connection goes from all its sessions at once.
local function plan_end(c, record, who)
    local plans, damaged = {}, {}
    local slice = c.looks < ELECTION_LOOKS
    for index = 1, #record.sessions do
        local id = record.sessions[index]
        local ok, plan = pcall(function()
            local session = mu.load_session(c, id, who.connection)
            local member = mu.member_of(session)
            return member and member.instance == who.instance and member.incarnation == who.incarnation
                and mu.plan_removal(c, session, member, slice)
        end)
        if not ok then
            damaged[#damaged + 1] = id
        elseif plan and plan.waits then
            return nil
        elseif plan then
            plans[#plans + 1] = plan
        end
    end
    return plans, damaged
end

-- One entry whose time has come. Returns what became of it: 'expired', 'dropped' (it meant nothing
-- any more), 'damaged' or 'waiting'.
local function expire_one(c, name, totals)
    local deadlines = c.prefix .. 'deadlines'
    totals.budget = totals.budget - 1
    local instance, incarnation, connection = match(name, '^([^/]*)/([^/]*)/([^/]*)$')
    if not instance or not mu.is_live(c, instance, incarnation) then
        call('ZREM', deadlines, name)
        return 'dropped'
    end
    local who = {
        connection = connection, instance = instance, incarnation = incarnation, name = instance .. ':' .. incarnation,
    }
    local key = c.prefix .. 'instance:' .. instance .. ':connections'
    local text = call('HGET', key, connection)
    local record = text and mu.parse_record(text)
    if not record then
        if text then
            mu.quarantine(c, who, connection, text)
            call('HDEL', key, connection)
        end
        call('ZREM', deadlines, name)
        return text and 'damaged' or 'dropped'
    end
    local away = record.until_at ~= ''
    if away and tonumber(record.until_at) > mu.now(c) then
        call('ZADD', deadlines, record.until_at, name)
        return 'dropped'
    end
    if not mu.has_deadline(record) then
        call('ZREM', deadlines, name)
        return 'dropped'
    end
    local plans, damaged = plan_end(c, record, who)
    if not plans then
        return 'waiting'
    end
    totals.budget = totals.budget - #plans
    totals.removed = totals.removed + #plans
    call('HDEL', key, connection)
    mu.count_held(c, record, true)
    call('ZREM', deadlines, name)
    if #damaged > 0 then
        record.sessions = damaged
        mu.quarantine(c, who, connection, mu.format_record(record))
        totals.damaged = totals.damaged + 1
    end
    local reason = away and 'disconnected' or 'expired'
    for index = 1, #plans do
        mu.apply_removal(c, plans[index], reason)
    end
    if #plans == 0 then
        mu.note_left(c, who, nil, reason)
    end
    return 'expired'
end

mu.define('expire', {
    least = 2,
    most = 2,
    usage = 'epoch budget',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.fence(c, args[1])
        local totals = {
            budget = mu.check_integer(args[2], 'budget', 1, 4096),
            removed = 0, expired = 0, dropped = 0, damaged = 0, waiting = 0,
        }
        local deadlines = c.prefix .. 'deadlines'
        mu.typed(c, 'HLEN', c.prefix .. 'quarantine')
        local now = int(mu.now(c))
        local due = call('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', '0', int(totals.budget))
        local index = 1
        while index <= #due and totals.budget > 0 and totals.waiting == 0 do
            local ok, outcome = pcall(expire_one, c, due[index], totals)
            if not ok then
                -- It could not even be planned. Its end would be asked for again for ever.
                call('ZREM', deadlines, due[index])
                outcome = 'damaged'
            end
            totals[outcome] = totals[outcome] + 1
            index = index + 1
        end
        local left = call('ZCOUNT', deadlines, '-inf', now)
        local first = call('ZRANGE', deadlines, '0', '0', 'WITHSCORES')
        local wait = first[2] and int(max(0, tonumber(first[2]) - mu.now(c))) or 'null'
        return '{"expired":' .. int(totals.expired) .. ',"removed":' .. int(totals.removed) .. ',"dropped":'
            .. int(totals.dropped) .. ',"damaged":' .. int(totals.damaged) .. ',"left":' .. int(left)
            .. ',"next":' .. wait .. '}'
    end,
})
