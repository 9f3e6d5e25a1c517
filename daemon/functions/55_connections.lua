-- REGISTER UNREGISTER UPDATE

local fail, check_id, quote, int = mu.fail, mu.check_id, mu.quote, mu.int
local load_session = mu.load_session

-- The connection's record in the caller's instance {key, record or nil}, all ids checked. `fresh`:
-- it is known already that there is none.
function mu.own_record(c, connection, instance, incarnation, fresh)
    check_id(connection, 'connection')
    local known = mu.own_instance(c, instance, incarnation)
    local key = c.prefix .. 'instance:' .. instance .. ':connections'
    local text = not fresh and call('HGET', key, connection)
    local record = nil
    if text then
        record = mu.parse_record(text)
        if not record then
            fail('INTERNAL', 'the record of connection ' .. quote(connection) .. ' cannot be read (run musterctl fsck)')
        end
    end
    return key, record, known
end

function mu.check_same_user(record, options, connection)
    if options.user and options.user ~= record.user then
        fail('BAD_REQUEST', 'connection ' .. quote(connection) .. ' is registered with another user, or with none')
    end
end

function mu.check_not_draining(known, instance)
    if known.draining then
        fail('DRAINING', 'instance ' .. quote(instance) .. ' takes no new connections')
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
        if record then
            mu.check_same_user(record, options, connection)
        else
            mu.check_not_draining(known, args[2])
            call('HSET', key, connection,
                mu.format_record(mu.new_record(mu.now(c), options.user, profile, {})))
        end
        return '{"connection":"' .. connection .. '","registered":' .. (record and 'false' or 'true') .. '}'
    end,
})

-- The member of each session that the record lists and that truly is this connection's.
local function own_memberships(c, record, connection, instance, incarnation)
    local found = {}
    for index = 1, #record.sessions do
        local session = load_session(c, record.sessions[index], connection)
        local member = mu.member_of(session)
        if member and member.instance == instance and member.incarnation == incarnation then
            found[#found + 1] = { session = session, member = member }
        end
    end
    return found
end

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
        local plans = own_memberships(c, record, connection, instance, incarnation)
        for index = 1, #plans do
            plans[index] = mu.plan_removal(c, plans[index].session, plans[index].member, false)
        end
        call('HDEL', key, connection)
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
        local memberships = own_memberships(c, record, connection, instance, incarnation)
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
