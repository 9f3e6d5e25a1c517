-- START HEARTBEAT DRAIN STOP

local fail, check_id, quote, int = mu.fail, mu.check_id, mu.quote, mu.int

local function epoch(c)
    local text = call('GET', c.prefix .. 'epoch')
    return text and int(mu.stored(text, 'epoch', 'value')) or '0'
end

mu.define('start', {
    least = 2,
    most = 3,
    usage = 'instance incarnation [meta]',
    body = function(c, args)
        local id, incarnation = args[1], args[2]
        check_id(id, 'instance')
        check_id(incarnation, 'incarnation')
        local meta = args[3] or ''
        if meta ~= '' then
            mu.check_json(meta, 'meta', c.config.profile)
        end
        if call('ZSCORE', c.prefix .. 'buried', id .. ':' .. incarnation) then
            fail('STALE_INCARNATION', 'this incarnation of ' .. quote(id) .. ' was buried: start with a new one')
        end
        mu.typed(c, 'ZCARD', c.prefix .. 'instances')
        local key = c.prefix .. 'instance:' .. id
        local epoch_now = epoch(c)
        local known = mu.instance(c, id)
        if known and known.incarnation == incarnation then
            mu.heard(c, id, known)
        else
            if known then
                local connections, leads = mu.bury(c, id, known, 'instance-restarted')
                mu.instance_event(c, 'dead', id, known.incarnation, connections, 'instance-restarted',
                    ',"leads":' .. int(leads) .. ',"by":"' .. incarnation .. '"')
            end
            local now = int(mu.now(c))
            call('HSET', key, 'incarnation', incarnation, 'state', 'up', 'draining', '0', 'started_at', now)
            if meta ~= '' then
                call('HSET', key, 'meta', meta)
            end
            call('ZADD', c.prefix .. 'instances', now, id)
            call('SET', key .. ':alive', incarnation, 'PX', int(c.config.suspect_after_ms))
            mu.instance_event(c, 'started', id, incarnation, 0)
        end
        return '{"instance":"' .. id .. '","incarnation":"' .. incarnation .. '","state":"up","epoch":' .. epoch_now
            .. ',"generation":"' .. c.config.generation .. '","heartbeat_ms":' .. int(c.config.heartbeat_ms) .. '}'
    end,
})

mu.define('heartbeat', {
    least = 2,
    most = 2,
    usage = 'instance incarnation',
    flags = { 'allow-oom' },
    body = function(c, args)
        local id, incarnation = args[1], args[2]
        local known = mu.own_instance(c, id, incarnation)
        local epoch_now = epoch(c)
        mu.heard(c, id, known)
        call('PUBLISH', c.prefix .. 'heartbeat', '{"instance":"' .. id .. '","incarnation":"' .. incarnation .. '"}')
        return '{"instance":"' .. id .. '","state":"' .. known.state .. '","draining":'
            .. (known.draining and 'true' or 'false') .. ',"epoch":' .. epoch_now .. ',"generation":"'
            .. c.config.generation .. '","heartbeat_ms":' .. int(c.config.heartbeat_ms) .. '}'
    end,
})

-- The pace is stored, or goes; what was told so far stays when only the pace changes. True: it is
-- another one than before.
local function set_pace(key, rate, notice)
    local before = call('HMGET', key, 'drain_rate', 'drain_notice')
    if rate == 0 then
        return before[1] and call('HDEL', key, unpack(mu.DRAIN_FIELDS)) > 0
    end
    if before[1] == int(rate) and before[2] == int(notice) then
        return false
    end
    call('HSET', key, 'drain_rate', int(rate), 'drain_notice', int(notice))
    if not before[1] then
        call('HSET', key, 'drain_told', '0', 'drain_rounds', '0', 'drain_until', '0', 'drain_cursor', '-')
    end
    return true
end

-- Its leaderships are moved, and its connections told to move (84_move), by the coordinator, which
-- sees the state and hears of the event.
mu.define('drain', {
    least = 3,
    most = 4,
    usage = 'instance incarnation on|off [options]',
    body = function(c, args)
        local id, incarnation = args[1], args[2]
        if args[3] ~= 'on' and args[3] ~= 'off' then
            fail('BAD_REQUEST', quote(args[3]) .. ' must be on or off')
        end
        local drains = args[3] == 'on'
        local options = mu.options_argument(c, args[4], 'drain')
        if not drains and options ~= mu.NO_OPTIONS then
            fail('BAD_REQUEST', 'options go with on')
        end
        local rate, notice = options.rate or 0, options.notice or NOTICE
        local known = mu.own_instance(c, id, incarnation)
        local key = c.prefix .. 'instance:' .. id
        local connections = call('HLEN', key .. ':connections')
        local paced = set_pace(key, rate, notice)
        if known.draining ~= drains or paced then
            call('HSET', key, 'draining', drains and '1' or '0')
            mu.instance_event(c, drains and 'draining' or 'undrained', id, incarnation, connections)
        end
        return '{"instance":"' .. id .. '","draining":' .. (drains and 'true' or 'false') .. ',"connections":'
            .. int(connections) .. (rate > 0 and ',"rate":' .. int(rate) .. ',"notice":' .. int(notice) or '') .. '}'
    end,
})

mu.define('stop', {
    least = 2,
    most = 2,
    usage = 'instance incarnation',
    flags = { 'allow-oom' },
    body = function(c, args)
        local id, incarnation = args[1], args[2]
        check_id(id, 'instance')
        check_id(incarnation, 'incarnation')
        local known = mu.instance(c, id)
        local connections, leads
        if not (known and known.incarnation == incarnation)
            and call('ZSCORE', c.prefix .. 'buried', id .. ':' .. incarnation) then
            -- Stopped, or buried, before: the end that was asked for is there.
            connections = call('HLEN', c.prefix .. 'ghosts:' .. id .. ':' .. incarnation)
            connections = connections > 0 and connections - 1 or 0
        else
            known = mu.own_instance(c, id, incarnation)
            connections, leads = mu.bury(c, id, known, 'instance-stopped')
            mu.instance_event(c, 'stopped', id, incarnation, connections, 'instance-stopped', ',"leads":' .. int(leads))
        end
        return '{"instance":"' .. id .. '","stopped":true,"connections":' .. int(connections) .. '}'
    end,
})
