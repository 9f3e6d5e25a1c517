-- The lease and what makes a data set usable: acquire renew release confirm rotate.

local fail, check_id, int, quote = mu.fail, mu.check_id, mu.int, mu.quote

local NUMBER_MAX = 9007199254740991

-- `<id>/<nonce>/<epoch>/<renewals>/<advertised address>`
local function parse_lease(text)
    local id, nonce, epoch, renewals, advertise = match(text, '^([^/]*)/([^/]*)/(%d+)/(%d+)/(.*)$')
    if not id then
        return nil
    end
    return {
        id = id,
        nonce = nonce,
        epoch = tonumber(epoch),
        renewals = tonumber(renewals),
        advertise = advertise,
        text = text,
    }
end

local function lease(c)
    local text = call('GET', c.prefix .. 'coordinator')
    return text and parse_lease(text), text
end

mu.lease = lease

-- Every fenced function: is `epoch` that of the lease that stands now? An expired lease is gone
-- from Redis, so it refuses itself even if nobody took over.
function mu.fence(c, epoch)
    local number = mu.check_integer(epoch, 'epoch', 1, NUMBER_MAX)
    local standing = lease(c)
    if not standing or standing.epoch ~= number then
        fail('STALE_EPOCH', standing and format('the lease stands at epoch %.0f, not %.0f', standing.epoch, number)
            or format('no lease stands; that of epoch %.0f is over', number))
    end
    return standing
end

local function coordinator_event(c, event, id, epoch)
    call('PUBLISH', c.prefix .. 'events:coordinator', '{"event":"coordinator.' .. event .. '","id":"' .. id
        .. '","epoch":' .. int(epoch) .. ',"at":' .. int(mu.now(c)) .. '}')
    mu.note(c, '"event":"coordinator.' .. event .. '","id":"' .. id .. '","epoch":' .. int(epoch))
end

local function text_or_null(text)
    return text and '"' .. text .. '"' or 'null'
end

-- Epochs are microseconds of Redis's time. Its milliseconds order them; the last three digits are by
-- the nonce, which is random, so that two servers that elect in one millisecond hardly give one epoch.
local TICKS = 1000
-- An election on data of which we do not know that no later epoch was given is this far ahead of
-- Redis's time: all data were lost, a replica was promoted that had not heard of the last elections,
-- an older data set came back. Others of its kind may have been as far ahead, but earlier; a rotation
-- lifts epochs by 10 s. So it is above all of them while clocks of servers differ by less than 10 s,
-- and those of one kind come in the order of their time.
local AHEAD_MS = 20000

local function digits(nonce)
    local sum = 0
    for index = 1, #nonce do
        sum = (sum * 31 + nonce:byte(index)) % TICKS
    end
    return sum
end

-- Data that do not know of an epoch that somebody saw, or are of another run (which with sentinels
-- names the failover), are older than they should be though the server may never have ended: those of
-- a master that is left for another and taken back, say. They are not served before somebody rotated;
-- without their run nobody takes them for the same.
local function doubt(c, config, run)
    mu.confirm(c, nil)
    if config[2] and (not run or config[2] == run) then
        call('HDEL', c.prefix .. 'config', 'run')
        config[2] = false
    end
end

mu.define('acquire', {
    least = 4,
    most = 7,
    usage = 'id nonce ttl_ms floor [advertise [expected [run]]]',
    flags = { 'allow-oom' },
    unconfirmed = true,
    body = function(c, args)
        local id, nonce = args[1], args[2]
        check_id(id, 'id')
        check_id(nonce, 'nonce')
        local ttl = mu.check_integer(args[3], 'ttl_ms', 1, 3600000)
        local floor_epoch = mu.check_integer(args[4], 'floor', 0, NUMBER_MAX)
        local advertise = args[5] or ''
        if #advertise > 1024 or find(advertise, '[^\33-\126]') then
            fail('BAD_REQUEST', 'advertise must be at most 1024 printable bytes without spaces')
        end
        local run = args[7]
        if run then
            check_id(run, 'run')
        end
        local standing, text = lease(c)
        local last = call('GET', c.prefix .. 'epoch')
        last = last and mu.stored(last, 'epoch', 'value')
        local config = call('HMGET', c.prefix .. 'config', 'generation', 'run')
        local epoch
        if standing and standing.id == id and standing.nonce == nonce then
            epoch = standing.epoch -- the reply to an earlier attempt was lost
        elseif text and text ~= args[6] then
            return '{"acquired":false,"holder":' .. encode(text) .. ',"ttl":'
                .. int(call('PTTL', c.prefix .. 'coordinator')) .. '}'
        else
            if not last or last + 1 < floor_epoch or run and run ~= config[2] then
                doubt(c, config, run)
            end
            if mu.is_confirmed(c, config[1]) then
                epoch = max(last + 1, mu.now(c) * TICKS + digits(nonce))
            else
                epoch = max((mu.now(c) + AHEAD_MS) * TICKS, last or 0, floor_epoch) + 1 + digits(nonce)
            end
            call('SET', c.prefix .. 'epoch', int(epoch))
            call('SET', c.prefix .. 'coordinator', id .. '/' .. nonce .. '/' .. int(epoch) .. '/0/' .. advertise,
                'PX', int(ttl))
            coordinator_event(c, 'elected', id, epoch)
        end
        return '{"acquired":true,"epoch":' .. int(epoch) .. ',"generation":' .. text_or_null(config[1]) .. ',"run":'
            .. text_or_null(config[2]) .. ',"confirmed":' .. (mu.is_confirmed(c, config[1]) and 'true' or 'false')
            .. ',"now":' .. int(mu.now(c)) .. '}'
    end,
})

-- The own lease only: the epoch and the nonce must stand.
local function own_lease(c, epoch, nonce)
    check_id(nonce, 'nonce')
    local standing = mu.fence(c, epoch)
    if standing.nonce ~= nonce then
        fail('STALE_EPOCH', 'the lease belongs to another holder')
    end
    return standing
end

mu.define('renew', {
    least = 3,
    most = 3,
    usage = 'epoch nonce ttl_ms',
    flags = { 'allow-oom' },
    unconfirmed = true,
    body = function(c, args)
        local ttl = mu.check_integer(args[3], 'ttl_ms', 1, 3600000)
        local standing = own_lease(c, args[1], args[2])
        local generation = call('HGET', c.prefix .. 'config', 'generation')
        local renewals = standing.renewals + 1
        call('SET', c.prefix .. 'coordinator', standing.id .. '/' .. standing.nonce .. '/' .. int(standing.epoch) .. '/'
            .. int(renewals) .. '/' .. standing.advertise, 'PX', int(ttl))
        return '{"epoch":' .. int(standing.epoch) .. ',"renewals":' .. int(renewals) .. ',"confirmed":'
            .. (mu.is_confirmed(c, generation) and 'true' or 'false') .. ',"now":' .. int(mu.now(c)) .. '}'
    end,
})

mu.define('release', {
    least = 2,
    most = 2,
    usage = 'epoch nonce',
    flags = { 'allow-oom' },
    unconfirmed = true,
    body = function(c, args)
        local standing = own_lease(c, args[1], args[2])
        call('DEL', c.prefix .. 'coordinator')
        coordinator_event(c, 'released', standing.id, standing.epoch)
        return '{"released":true}'
    end,
})

local LOWEST = {
    heartbeat_ms = 1, suspect_after_ms = 1, resume_grace_ms = 0, profile = 2, sessions_per_connection = 1, grace_ms = 0,
    journal = 0,
}
local JOURNAL = 10000 -- entries, where a coordinator of an older version says nothing

local function check_settings(text)
    mu.check_json(text, 'settings', 4096)
    local values = decode(text)
    values.journal = values.journal or JOURNAL
    for index = 1, #mu.SETTINGS do
        local name = mu.SETTINGS[index]
        local value = values[name]
        if type(value) ~= 'number' or value ~= floor(value) or value < LOWEST[name] or value > 4294967296 then
            fail('BAD_REQUEST', 'settings: ' .. name .. ' must be a whole number from ' .. LOWEST[name])
        end
    end
    return values
end

local function store_config(c, generation, run, values)
    local key = c.prefix .. 'config'
    call('HSET', key, 'generation', generation, 'run', run, 'packed', mu.pack(generation, values))
    for index = 1, #mu.SETTINGS do
        call('HSET', key, mu.SETTINGS[index], int(values[mu.SETTINGS[index]]))
    end
    mu.confirm(c, generation)
    if values.journal == 0 then
        pcall(call, 'DEL', c.prefix .. 'journal')
    end
end

mu.define('confirm', {
    least = 4,
    most = 4,
    usage = 'epoch generation run settings',
    flags = { 'allow-oom' },
    unconfirmed = true,
    body = function(c, args)
        local generation, run = args[2], args[3]
        check_id(generation, 'generation')
        check_id(run, 'run')
        local values = check_settings(args[4])
        mu.fence(c, args[1])
        local present = call('HMGET', c.prefix .. 'config', 'generation', 'heartbeat_ms')
        if present[1] ~= generation then
            fail('BAD_REQUEST', 'the data is of generation ' .. quote(present[1] or '(none)') .. ', not '
                .. quote(generation) .. ': rotate')
        end
        store_config(c, generation, run, values)
        if present[2] ~= int(values.heartbeat_ms) then
            -- Who answers hears of the new interval at once, and not only after the old one.
            call('PUBLISH', c.prefix .. 'events:coordinator', '{"event":"survey","at":' .. int(mu.now(c)) .. '}')
        end
        return '{"generation":"' .. generation .. '","confirmed":true}'
    end,
})

mu.define('rotate', {
    least = 5,
    most = 5,
    usage = 'epoch generation floor run settings',
    flags = { 'allow-oom' },
    unconfirmed = true,
    body = function(c, args)
        local generation, run = args[2], args[4]
        check_id(generation, 'generation')
        check_id(run, 'run')
        local above = mu.check_integer(args[3], 'floor', 0, floor(NUMBER_MAX / TICKS))
        local values = check_settings(args[5])
        local standing = mu.fence(c, args[1])
        mu.clock(c)
        local last = call('GET', c.prefix .. 'epoch')
        last = max(last and mu.stored(last, 'epoch', 'value') or 0, standing.epoch, above * TICKS)
        call('HLEN', c.prefix .. 'config')

        mu.raise_clock(c, max(above, mu.now(c)))
        call('SET', c.prefix .. 'epoch', int(last))
        store_config(c, generation, run, values)
        call('PUBLISH', c.prefix .. 'events:coordinator', '{"event":"generation.changed","generation":"' .. generation
            .. '","epoch":' .. int(standing.epoch) .. ',"at":' .. int(mu.now(c)) .. '}')
        mu.note(c, '"event":"generation.changed","generation":"' .. generation .. '","epoch":' .. int(standing.epoch)
            .. ',"id":"' .. standing.id .. '"')
        return '{"generation":"' .. generation .. '","clock":' .. int(mu.clock(c)) .. ',"epoch":' .. int(last) .. '}'
    end,
})
