-- TOUCH DISCONNECT

local fail, check_id, quote, int = mu.fail, mu.check_id, mu.quote, mu.int

local TOUCH_MAX = 256
local RETURNS_MAX = 512 -- memberships that one TOUCH brings back, at most

-- The given connections of an instance, each once: {who, record} of those that are registered and
-- readable, and the ids of the others, as JSON.
local function look_up(c, args)
    local ids, seen = {}, {}
    for index = 3, #args do
        local id = args[index]
        check_id(id, 'connection')
        if not seen[id] then
            seen[id] = true
            ids[#ids + 1] = id
        end
    end
    local texts = call('HMGET', c.prefix .. 'instance:' .. args[1] .. ':connections', unpack(ids))
    local known, unknown = {}, {}
    for index = 1, #ids do
        local record = texts[index] and mu.parse_record(texts[index])
        if record then
            known[#known + 1] = {
                who = { connection = ids[index], instance = args[1], incarnation = args[2] }, record = record,
            }
        else
            unknown[#unknown + 1] = '"' .. ids[index] .. '"'
        end
    end
    return known, unknown
end

mu.define('touch', {
    least = 3,
    most = 2 + TOUCH_MAX,
    usage = 'instance incarnation connection... (at most 256)',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.own_instance(c, args[1], args[2])
        local known, unknown = look_up(c, args)
        local most = max(RETURNS_MAX, c.config.sessions_per_connection)
        local back, plans, loaded, memberships = {}, {}, {}, 0
        local renewed, now = {}, mu.now(c)
        for index = 1, #known do
            local record, who = known[index].record, known[index].who
            if record.until_at ~= '' then
                memberships = memberships + #record.sessions
                if memberships > most then
                    fail('TOO_LARGE', format('those of them that are away are in more than %.0f sessions: touch fewer at once',
                        most))
                end
                back[#back + 1] = known[index]
                plans[#plans + 1] = mu.plan_returns(c, record, mu.own_memberships(c, record, who, nil, loaded))
            elseif record.ttl ~= '' then
                renewed[#renewed + 1] = int(now + tonumber(record.ttl))
                renewed[#renewed + 1] = mu.deadline_name(who, who.connection)
            end
        end
        if #renewed > 0 then
            mu.check_deadlines(c)
            call('ZADD', c.prefix .. 'deadlines', unpack(renewed))
        end
        for index = 1, #back do
            local record, who = back[index].record, back[index].who
            call('HSET', c.prefix .. 'instance:' .. who.instance .. ':connections', who.connection,
                mu.format_record(record))
            mu.set_deadline(c, record, who)
            mu.apply_returns(c, plans[index])
        end
        return '{"touched":' .. int(#known) .. ',"unknown":[' .. concat(unknown, ',') .. ']}'
    end,
})

mu.define('disconnect', {
    least = 3,
    most = 4,
    usage = 'connection instance incarnation [grace_ms]',
    flags = { 'allow-oom' },
    body = function(c, args)
        local who = { connection = args[1], instance = args[2], incarnation = args[3] }
        local grace = c.config.grace_ms
        if args[4] and args[4] ~= '' then
            grace = min(grace, mu.check_integer(args[4], 'grace', 0, 9007199254740991))
        end
        local key, record = mu.own_record(c, who.connection, who.instance, who.incarnation)
        if not record then
            fail('UNKNOWN_CONNECTION', 'connection ' .. quote(who.connection) .. ' is not registered')
        end
        if record.until_at == '' then
            local plans = mu.own_memberships(c, record, who)
            for index = 1, #plans do
                plans[index] = mu.plan_away(c, plans[index].session, plans[index].member)
            end
            mu.check_deadlines(c)
            record.until_at = int(mu.now(c) + grace)
            call('HSET', key, who.connection, mu.format_record(record))
            mu.set_deadline(c, record, who)
            for index = 1, #plans do
                mu.apply_away(c, plans[index], record.until_at)
            end
        end
        return '{"connection":"' .. who.connection .. '","away":true,"until":' .. record.until_at .. '}'
    end,
})
