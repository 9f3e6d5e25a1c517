-- REGISTER UNREGISTER UPDATE

local fail, check_id, quote, int = mu.fail, mu.check_id, mu.quote, mu.int

-- The connection's record in the caller's instance {key, record or nil}, all ids checked.
function mu.own_record(c, connection, instance, incarnation)
    check_id(connection, 'connection')
    local known = mu.own_instance(c, instance, incarnation)
    local key = c.prefix .. 'instance:' .. instance .. ':connections'
    local text = call('HGET', key, connection)
    local record = nil
    if text then
        record = mu.parse_record(text)
        if not record then
            fail('INTERNAL', 'the record of connection ' .. quote(connection) .. ' cannot be read (run musterctl fsck)')
        end
    end
    return key, record, known
end

-- `exactly`: no user means that there must be none.
function mu.check_same_user(record, options, connection, exactly)
    if options.user ~= record.user and (options.user or exactly) then
        fail('BAD_REQUEST', 'connection ' .. quote(connection) .. ' is registered with another user, or with none')
    end
end

mu.define('register', {
    least = 3,
    most = 5,
    usage = 'connection instance incarnation [options [profile]]',
    body = function(c, args)
        local connection = args[1]
        local options = mu.options_argument(c, args[4], 'register')
        local profile = mu.object_argument(c, args[5], 'profile')
        local key, record, known = mu.own_record(c, connection, args[2], args[3])
        local who = { connection = connection, instance = args[2], incarnation = args[3] }
        if not record then
            mu.check_not_draining(known, args[2])
            record = mu.new_connection(c, who, options, profile)
            mu.check_quota(c, options.quota, record)
            mu.store_record(c, key, record, who)
            return '{"connection":"' .. connection .. '","registered":true}'
        end
        mu.check_same_user(record, options, connection)
        if record.until_at ~= '' then
            local returns = mu.plan_returns(c, record, mu.own_memberships(c, record, who))
            mu.store_record(c, key, record, who)
            mu.set_deadline(c, record, who)
            mu.apply_returns(c, returns)
        end
        return '{"connection":"' .. connection .. '","registered":false}'
    end,
})

mu.define('unregister', {
    least = 3,
    most = 3,
    usage = 'connection instance incarnation',
    flags = { 'allow-oom' },
    body = function(c, args)
        local connection, instance, incarnation = args[1], args[2], args[3]
        local key, record = mu.own_record(c, connection, instance, incarnation)
        if not record then
            return '{"connection":"' .. connection .. '","unregistered":false,"sessions":[]}'
        end
        local who = { connection = connection, instance = instance, incarnation = incarnation }
        local plans = mu.own_memberships(c, record, who)
        for index = 1, #plans do
            plans[index] = mu.plan_removal(c, plans[index].session, plans[index].member, false)
        end
        if mu.has_deadline(record) then
            mu.check_deadlines(c)
        end
        call('HDEL', key, connection)
        mu.count_held(c, record, true)
        mu.clear_deadline(c, record, who)
        local left = {}
        for index = 1, #plans do
            local session = plans[index].session
            mu.apply_removal(c, plans[index], 'unregistered')
            left[index] = '{"session":"' .. session.id .. '","leader":' .. mu.id_or_null(session.leader) .. ',"term":'
                .. int(session.term) .. ',"count":' .. int(session.count) .. '}'
        end
        return '{"connection":"' .. connection .. '","unregistered":true,"sessions":[' .. concat(left, ',') .. ']}'
    end,
})

mu.define('update', {
    least = 4,
    most = 4,
    usage = 'connection instance incarnation profile',
    body = function(c, args)
        local connection, instance, incarnation = args[1], args[2], args[3]
        local profile = mu.object_argument(c, args[4], 'profile')
        local key, record = mu.own_record(c, connection, instance, incarnation)
        if not record then
            fail('UNKNOWN_CONNECTION', 'connection ' .. quote(connection) .. ' is not registered')
        end
        local memberships = mu.own_memberships(c, record, {
            connection = connection, instance = instance, incarnation = incarnation,
        })
        if record.profile ~= profile then
            for index = 1, #memberships do
                mu.check_session_keys(c, memberships[index].session)
            end
            record.profile = profile
            call('HSET', key, connection, mu.format_record(record))
            for index = 1, #memberships do
                local session, member = memberships[index].session, memberships[index].member
                member.profile = profile
                local text = mu.format_member(member)
                mu.lift(c, session)
                mu.session_event(c, session, 'member.updated', ',"member":' .. text)
                mu.save(session, connection, text)
            end
            return '{"connection":"' .. connection .. '","updated":true,"sessions":' .. int(#memberships) .. '}'
        end
        return '{"connection":"' .. connection .. '","updated":false,"sessions":' .. int(#memberships) .. '}'
    end,
})
