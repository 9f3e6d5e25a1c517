-- RESUME

local fail, check_id, quote = mu.fail, mu.check_id, mu.quote

local function owner_argument(text)
    local instance, incarnation = match(text, '^([^:]*):([^:]*)$')
    if not instance then
        fail('BAD_REQUEST', 'owner ' .. quote(text) .. ' must be <instance>:<incarnation>')
    end
    check_id(instance, 'instance')
    check_id(incarnation, 'incarnation')
    return instance, incarnation
end

-- The record of the connection that is resumed, which is stored under the key returned first.
local function old_record(c, old, hash)
    local key = mu.records_key(c, old.instance, old.incarnation)
    local text = call('HGET', key, old.connection)
    if not text then
        fail('UNKNOWN_CONNECTION', 'connection ' .. quote(old.connection) .. ' of that instance is gone')
    end
    local record = mu.parse_record(text)
    if not record then
        fail('INTERNAL', 'the record of connection ' .. quote(old.connection) .. ' cannot be read (run musterctl fsck)')
    end
    if record.secret ~= hash then
        fail('BAD_TOKEN', 'this is not the secret of connection ' .. quote(old.connection))
    end
    return key, record
end

local function reply(who, old, record)
    local sessions = {}
    for index = 1, #record.sessions do
        sessions[index] = '"' .. record.sessions[index] .. '"'
    end
    return '{"connection":"' .. who.connection .. '","resumed":"' .. old.connection .. '","sessions":['
        .. concat(sessions, ',') .. ']}'
end

mu.define('resume', {
    least = 6,
    most = 8,
    usage = 'connection instance incarnation old old_instance:old_incarnation secret [options [profile]]',
    body = function(c, args)
        local who = { connection = args[1], instance = args[2], incarnation = args[3] }
        local old = { connection = args[4] }
        check_id(old.connection, "connection 'old'")
        old.instance, old.incarnation = owner_argument(args[5])
        if args[6] == '' or #args[6] > SECRET_MAX then
            fail('BAD_TOKEN', 'a secret has 1 to 256 bytes')
        end
        local options = mu.options_argument(c, args[7], 'resume')
        local given = args[8] and args[8] ~= '' and mu.object_argument(c, args[8], 'profile') or nil
        who.profile = given
        local hash = mu.secret_hash(old, old.connection, args[6])
        -- The hash stands in it, so that only the same call again is answered the same.
        local resumed = old.instance .. ':' .. old.incarnation .. ':' .. old.connection .. ':' .. hash
        local key, present = mu.own_record(c, who.connection, who.instance, who.incarnation)
        if present then
            if present.resumed ~= resumed then
                fail('CONNECTION_TAKEN', 'connection ' .. quote(who.connection) .. ' is registered already')
            end
            return reply(who, old, present)
        end
        local old_key, before = old_record(c, old, hash)
        mu.check_same_user(before, options, old.connection, true)
        local plans = mu.own_memberships(c, before, old)
        local record = mu.new_connection(c, who, options, given or before.profile)
        record.resumed = resumed
        record.holder = record.holder or before.holder
        record.counted = before.counted -- it takes over what was counted, too
        for index = 1, #plans do
            record.sessions[index] = plans[index].session.id
            plans[index] = mu.plan_resumption(c, plans[index].session, plans[index].member, who)
        end
        mu.check_deadlines(c)
        mu.check_quota(c, options.quota, record)
        call('HDEL', old_key, old.connection)
        mu.clear_deadline(c, before, old)
        mu.store_record(c, key, record, who)
        for index = 1, #plans do
            mu.apply_resumption(c, plans[index])
        end
        mu.note_resumed(c, who, old, record.sessions)
        return reply(who, old, record)
    end,
})
