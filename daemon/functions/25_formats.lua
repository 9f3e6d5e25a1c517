-- Texts as stored: the record of a connection and the JSON of a member.

local fail, check_id, int = mu.fail, mu.check_id, mu.int

-- A record: connected_at/user/ttl/until/secret/resumed/s1,s2,.../profile. Ids hold neither `/` nor
-- `,` nor `:`; the profile stands last and may hold anything. With a quota `user` is <user>:<holder>,
-- or <user>::<holder> (44_held). `until` is the end of the grace while the connection is away, else
-- empty; when a ttl ends is said by `deadlines` alone.
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
    local holder, moved = nil, nil
    if find(user, ':', 1, true) then
        user, moved, holder = match(user, '^([^:]*):(:?)([^:]+)$')
        if not user then
            return nil
        end
        moved = moved ~= '' or nil
    end
    local record = {
        connected_at = connected_at,
        user = user ~= '' and user or nil,
        holder = holder,
        moved = moved,
        ttl = ttl,
        until_at = until_at,
        secret = secret,
        resumed = resumed,
        sessions = list,
        profile = profile,
    }
    record.counted = mu.held_by(record)
    return record
end

function mu.format_record(record)
    local holder = record.holder and (record.moved and '::' or ':') .. record.holder or ''
    return record.connected_at .. '/' .. (record.user or '') .. holder .. '/' .. record.ttl .. '/' .. record.until_at
        .. '/' .. record.secret .. '/' .. record.resumed .. '/' .. concat(record.sessions, ',')
        .. '/' .. record.profile
end

-- The record of a new connection, not stored yet. `options`: user, ttl, quota; `secret` is a hash or nil.
function mu.new_record(now, options, secret, profile)
    return {
        connected_at = int(now),
        user = options.user,
        holder = options.quota and options.quota.holder,
        ttl = options.ttl and int(options.ttl) or '',
        until_at = '',
        secret = secret or '',
        resumed = '',
        sessions = {},
        profile = profile,
        new = true,
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
    register = 'user, ttl, resume, quota',
    join = 'priority, lead, limit, exclusive, quota',
    enter = 'user, ttl, resume, priority, lead, limit, exclusive, quota',
    resume = 'user, ttl, resume, quota',
    configure = 'limit, keep',
    drain = 'rate, notice',
}

local function check_whole(name, value, low, high)
    if type(value) ~= 'number' or value ~= floor(value) or value < low or value > high then
        fail('BAD_REQUEST', format("option '%s' must be a whole number from %.0f to %.0f", name, low, high))
    end
end

local function check_option(kind, name, value)
    if name == 'user' then
        if type(value) ~= 'string' then
            fail('BAD_REQUEST', "option 'user' must be a string")
        end
        check_id(value, "option 'user'")
    elseif name == 'lead' or name == 'exclusive' or name == 'keep' then
        if type(value) ~= 'boolean' then
            fail('BAD_REQUEST', "option '" .. name .. "' must be true or false")
        end
    elseif name == 'priority' then
        check_whole(name, value, -PRIORITY_MAX, PRIORITY_MAX)
    elseif name == 'rate' then
        check_whole(name, value, 0, DRAIN_RATE_MAX)
    elseif name == 'notice' then
        check_whole(name, value, NOTICE_MIN, NOTICE_MAX)
    elseif name == 'quota' then
        mu.check_quota_option(value)
    elseif name == 'ttl' then
        check_whole(name, value, 1, TTL_MAX)
    elseif name == 'resume' then
        if type(value) ~= 'string' or value == '' or #value > SECRET_MAX then
            fail('BAD_REQUEST', "option 'resume' must be a string of 1 to 256 bytes")
        end
    elseif name == 'limit' and not (kind == 'configure' and type(value) == 'userdata') then
        -- null takes the limit of a session away
        check_whole(name, value, 1, 1000000000)
    end
end

-- The options argument of `kind` (a key of OPTION_NAMES). Most callers give none or a user only.
function mu.options_argument(c, text, kind)
    if not text or text == '' or text == '{}' then
        return NO_OPTIONS
    end
    local allowed = OPTION_NAMES[kind]
    local user = find(allowed, 'user', 1, true) and match(text, '^{"user":"([%w%._~@|+=%-]+)"}$')
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
        check_option(kind, name, value)
        options[name] = value
    end
    return options
end
