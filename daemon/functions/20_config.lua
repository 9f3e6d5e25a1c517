-- Settings, confirmation and the frame around every function.

local fail, check_id, quote = mu.fail, mu.check_id, mu.quote

-- State outside of Redis's data (there is but one more, 72_readers.lua): per prefix, the generation that a
-- coordinator confirmed.
-- Gone after a restart, a promotion and a reload of the library, which is its purpose.
local confirmed = {}
local settings = {} -- prefix -> the parsed settings, with the text they were parsed from
local prefixes, prefix_count = {}, 0

mu.SETTINGS = {
    'heartbeat_ms', 'suspect_after_ms', 'resume_grace_ms', 'profile', 'sessions_per_connection', 'grace_ms', 'journal',
}

function mu.confirm(c, generation)
    confirmed[c.prefix] = generation
end

function mu.is_confirmed(c, generation)
    return generation and confirmed[c.prefix] == generation or false
end

-- generation/heartbeat_ms/... in the order of SETTINGS: one field to read, one text to compare.
function mu.pack(generation, values)
    local parts = { generation }
    for index = 1, #mu.SETTINGS do
        parts[index + 1] = mu.int(values[mu.SETTINGS[index]])
    end
    return concat(parts, '/')
end

local function unpack_settings(packed)
    local parsed, index = { packed = packed }, 0
    for part in gmatch(packed, '[^/]+') do
        if index == 0 then
            parsed.generation = part
        elseif mu.SETTINGS[index] and tonumber(part) then
            parsed[mu.SETTINGS[index]] = tonumber(part)
        else
            fail('UNAVAILABLE', 'the configuration in Redis is of another version; a coordinator will renew it')
        end
        index = index + 1
    end
    if index ~= #mu.SETTINGS + 1 then
        fail('UNAVAILABLE', 'the configuration in Redis is of another version; a coordinator will renew it')
    end
    return parsed
end

local function read_config(c)
    local packed = call('HGET', c.prefix .. 'config', 'packed')
    if not packed then
        fail('UNAVAILABLE', 'no coordinator has set up this namespace yet')
    end
    local config = settings[c.prefix]
    if not config or config.packed ~= packed then
        config = unpack_settings(packed)
        settings[c.prefix] = config
    end
    if confirmed[c.prefix] ~= config.generation then
        fail('UNAVAILABLE', 'the data is not confirmed by a coordinator yet')
    end
    c.config = config
end

-- What a quick way (spec.quick) needs of the above: prefix and settings; nil when the general way must say
-- what is wrong, or has not read them yet.
function mu.peek(keys)
    local prefix = prefixes[keys[1]]
    local config = settings[prefix]
    if not config or keys[2] or confirmed[prefix] ~= config.generation
        or try('HGET', prefix .. 'config', 'packed') ~= config.packed then
        return nil
    end
    return prefix, config
end

local function prefix_of(keys)
    local key = keys[1]
    if not key or keys[2] then
        fail('BAD_REQUEST', 'exactly one key is expected: {<namespace>}')
    end
    local prefix = prefixes[key]
    if not prefix then
        local namespace = match(key, '^{(.*)}$')
        if not namespace then
            fail('BAD_REQUEST', 'the key ' .. quote(key) .. ' must be {<namespace>}')
        end
        check_id(namespace, 'namespace')
        prefix = key .. ':'
        if prefix_count >= 1000 then
            prefixes, prefix_count = {}, 0
        end
        prefixes[key] = prefix
        prefix_count = prefix_count + 1
    end
    return prefix
end

-- The floor for seq and term: read once a call, written once, at its end.
function mu.clock(c)
    if not c.clock then
        local text = call('GET', c.prefix .. 'clock')
        c.clock = text and mu.stored(text, 'clock', 'value') or 0
    end
    return c.clock
end

function mu.raise_clock(c, value)
    if value > mu.clock(c) then
        c.clock = value
        c.clock_raised = true
    end
end

local function finish(c)
    if c and c.clock_raised then
        call('SET', c.prefix .. 'clock', mu.int(c.clock))
        c.clock_raised = false
    end
    if c.notes then
        mu.write_notes(c)
    end
end

local function serve(c, spec, keys, args)
    c.prefix = prefix_of(keys)
    local count = #args
    if count < spec.least or count > spec.most then
        fail('BAD_REQUEST', 'expected arguments: ' .. spec.usage)
    end
    if not spec.unconfirmed and not c.config then
        read_config(c)
    end
    return spec.body(c, args)
end

-- Registers muster_<name>. spec: least and most (arguments), usage, body(c, args) -> reply,
-- and optionally flags, unconfirmed (served before the data is confirmed), and quick(keys, args): the reply
-- in a frequent case, or nil with nothing written, and then all goes the general way: with the settings
-- and the fields of a session (c.fields) that quick() returned, when it had read them.
function mu.define(name, spec)
    spec.usage = 'FCALL muster_' .. name .. ' 1 {<namespace>}' .. (spec.usage == '' and '' or ' ' .. spec.usage)
    redis.register_function({
        function_name = 'muster_' .. name,
        flags = spec.flags,
        callback = function(keys, args)
            if not booted then
                boot()
            end
            local config, fields = false, false
            if spec.quick then
                local reply
                reply, config, fields = spec.quick(keys, args)
                if reply then
                    return reply
                end
            end
            -- All fields at once: a table that grows is copied each time.
            local c = {
                looks = ELECTION_LOOKS,
                prefix = false, config = config or false, fields = fields or false, now = false, clock = false,
                clock_raised = false, instances = false, typed = false, notes = false,
            }
            local ok, reply = pcall(serve, c, spec, keys, args)
            finish(c)
            if ok then
                return reply
            end
            if type(reply) == 'table' then
                if reply.code then
                    return error_reply(reply.code .. ' ' .. reply.text)
                end
                reply = reply.err or 'unknown error'
            end
            return error_reply('INTERNAL ' .. gsub(reply, '%c', ' '))
        end,
    })
end

mu.define('version', {
    least = 0,
    most = 0,
    usage = '',
    flags = { 'no-writes', 'allow-stale' },
    unconfirmed = true,
    body = function()
        return format('{"version":%d,"min_reader":%d}', VERSION, MIN_READER)
    end,
})
