-- Texts as stored: the record of a connection and the JSON of a member.

local fail, check_id, int = mu.fail, mu.check_id, mu.int

-- A record: connected_at/user/ttl/until/secret/resumed/s1,s2,.../profile. Ids hold neither `/` nor
-- `,`; the profile stands last and may hold anything.
local RECORD = '^(%d+)/([^/]*)/(%d*)/(%d*)/([^/]*)/([^/]*)/([^/]*)/(%s*{.*}%s*)$'

-- nil when the text is no record.
function mu.parse_record(text)
    local connected_at, user, ttl, until_at, secret, resumed, sessions, profile = match(text, RECORD)
    if not connected_at then
        return nil
    end
    local list, count = {}, 0
    for session in gmatch(sessions, '[^,]+') do
        count = count + 1
        list[count] = session
    end
    return {
        connected_at = connected_at,
        user = user ~= '' and user or nil,
        ttl = ttl,
        until_at = until_at,
        secret = secret,
        resumed = resumed,
        sessions = list,
        profile = profile,
    }
end

function mu.format_record(record)
    return record.connected_at .. '/' .. (record.user or '') .. '/' .. record.ttl .. '/' .. record.until_at
        .. '/' .. record.secret .. '/' .. record.resumed .. '/' .. concat(record.sessions, ',')
        .. '/' .. record.profile
end

function mu.new_record(now, user, profile, sessions)
    return {
        connected_at = int(now),
        user = user,
        ttl = '',
        until_at = '',
        secret = '',
        resumed = '',
        sessions = sessions,
        profile = profile,
    }
end

function mu.position(list, value)
    for index = 1, #list do
        if list[index] == value then
            return index
        end
    end
    return nil
end

local MEMBER = '^{"connection":"([^"]*)","instance":"([^"]*)","incarnation":"([^"]*)"(.-),"profile":(%s*{.*}%s*)}$'

-- nil when the text is no member. `options` is kept as text: priority, lead, away, rank.
function mu.parse_member(text)
    local connection, instance, incarnation, rest, profile = match(text, MEMBER)
    if not connection then
        return nil
    end
    local user = match(rest, '^,"user":"([^"]*)"')
    local joined_at, options = match(rest, '"joined_at":(%d+)(.*)$')
    if not joined_at then
        return nil
    end
    return {
        connection = connection,
        instance = instance,
        incarnation = incarnation,
        user = user,
        joined_at = joined_at,
        options = options,
        leads_never = find(options, '"lead":false', 1, true) ~= nil,
        away = find(options, '"away":true', 1, true) ~= nil,
        rank = match(options, '"rank":(%d+)'),
        profile = profile,
    }
end

function mu.format_member(member)
    return '{"connection":"' .. member.connection .. '","instance":"' .. member.instance
        .. '","incarnation":"' .. member.incarnation .. '"'
        .. (member.user and ',"user":"' .. member.user .. '"' or '')
        .. ',"joined_at":' .. member.joined_at .. member.options .. ',"profile":' .. member.profile .. '}'
end

-- An id, or null: what `#leader` means as JSON.
function mu.id_or_null(id)
    return id ~= '' and '"' .. id .. '"' or 'null'
end

-- The profile or meta argument: an empty one means none.
function mu.object_argument(c, text, what)
    if not text or text == '' then
        return '{}'
    end
    mu.check_json(text, what, c.config.profile)
    return text
end

local NO_OPTIONS = {}
mu.NO_OPTIONS = NO_OPTIONS
local OPTION_NAMES = {
    register = 'user',
    join = 'priority, lead, limit',
    enter = 'user, priority, lead, limit',
}

local function check_option(name, value)
    if name == 'user' then
        if type(value) ~= 'string' then
            fail('BAD_REQUEST', "option 'user' must be a string")
        end
        check_id(value, "option 'user'")
    elseif name == 'lead' then
        if type(value) ~= 'boolean' then
            fail('BAD_REQUEST', "option 'lead' must be true or false")
        end
    elseif name == 'priority' then
        if type(value) ~= 'number' or value ~= floor(value) or value < -PRIORITY_MAX or value > PRIORITY_MAX then
            fail('BAD_REQUEST', "option 'priority' must be a whole number from -1023 to 1023")
        end
    elseif name == 'limit' then
        if type(value) ~= 'number' or value ~= floor(value) or value < 1 or value > 1000000000 then
            fail('BAD_REQUEST', "option 'limit' must be a whole number from 1 to 1000000000")
        end
    end
end

-- The options argument of `kind` (a key of OPTION_NAMES). Most callers give none or a user only.
function mu.options_argument(c, text, kind)
    if not text or text == '' or text == '{}' then
        return NO_OPTIONS
    end
    local allowed = OPTION_NAMES[kind]
    local user = kind ~= 'join' and match(text, '^{"user":"([%w%._~@|+=%-]+)"}$')
    if user then
        check_id(user, "option 'user'")
        return { user = user }
    end
    mu.check_json(text, 'options', c.config.profile)
    local options = {}
    local decoded = decode(text)

    for name, value in pairs(decoded) do
        if not find(name, '^%a+$') or not find(', ' .. allowed .. ',', ', ' .. name .. ',', 1, true) then
            fail('BAD_REQUEST', 'unknown option ' .. mu.quote(name) .. '; allowed are ' .. allowed)
        end
        check_option(name, value)
        options[name] = value
    end
    return options
end
