-- What the failure detector decides: beats suspect bury. Fenced; every verdict is checked again here.

local fail, check_id, int, quote = mu.fail, mu.check_id, mu.int, mu.quote

local BEATS_MAX = 256

mu.define('beats', {
    least = 3,
    most = 1 + 2 * BEATS_MAX,
    usage = 'epoch instance incarnation [instance incarnation]... (at most 256 pairs)',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.fence(c, args[1])
        if #args % 2 == 0 then
            fail('BAD_REQUEST', 'instance and incarnation come in pairs')
        end
        for index = 2, #args, 2 do
            check_id(args[index], 'instance')
            check_id(args[index + 1], 'incarnation')
            mu.instance(c, args[index])
        end
        mu.typed(c, 'ZCARD', c.prefix .. 'instances')
        local beats, up, unknown = 0, {}, {}
        for index = 2, #args, 2 do
            local id = args[index]
            if mu.is_live(c, id, args[index + 1]) then
                beats = beats + 1
                if mu.heard(c, id, mu.instance(c, id)) then
                    up[#up + 1] = '"' .. id .. '"'
                end
            else
                unknown[#unknown + 1] = '"' .. id .. '"'
            end
        end
        return '{"beats":' .. int(beats) .. ',"up":[' .. concat(up, ',') .. '],"unknown":[' .. concat(unknown, ',') .. ']}'
    end,
})

-- Is the instance still as silent as when the verdict was formed?
local function check_silent(c, id, score_seen)
    local seen = mu.check_integer(score_seen, 'score_seen', 0, 9007199254740991)
    local score = call('ZSCORE', c.prefix .. 'instances', id)
    if score and tonumber(score) ~= seen then
        fail('ALIVE', 'instance ' .. quote(id) .. ' was heard at ' .. int(tonumber(score)))
    end
end

local WHY_MAX = 512

-- For the journal: when it was last heard, and what the coordinator says of its signals, if it does.
local function evidence(score_seen, why)
    local heard = ',"heard_at":' .. int(tonumber(score_seen))
    if not why or why == '' then
        return heard
    end
    mu.check_json(why, 'why', WHY_MAX)
    return heard .. ',"why":' .. why
end

mu.define('suspect', {
    least = 4,
    most = 5,
    usage = 'epoch instance incarnation score_seen [why]',
    flags = { 'allow-oom' },
    body = function(c, args)
        local id, incarnation = args[2], args[3]
        mu.fence(c, args[1])
        local known = mu.own_instance(c, id, incarnation)
        check_silent(c, id, args[4])
        local key = c.prefix .. 'instance:' .. id
        local heard = evidence(args[4], args[5])
        local leads = call('SCARD', key .. ':leads')
        if known.state ~= 'suspect' then
            local connections = call('HLEN', key .. ':connections')
            call('HSET', key, 'state', 'suspect')
            mu.instance_event(c, 'suspect', id, incarnation, connections, nil, ',"leads":' .. int(leads) .. heard)
        end
        return '{"instance":"' .. id .. '","state":"suspect","leads":' .. int(leads) .. '}'
    end,
})

mu.define('bury', {
    least = 5,
    most = 6,
    usage = 'epoch instance incarnation score_seen reason [why]',
    flags = { 'allow-oom' },
    body = function(c, args)
        local id, incarnation, reason = args[2], args[3], args[5]
        mu.fence(c, args[1])
        if reason ~= 'instance-dead' then
            fail('BAD_REQUEST', 'reason ' .. quote(reason) .. ' must be instance-dead')
        end
        local known = mu.own_instance(c, id, incarnation)
        check_silent(c, id, args[4])
        local heard = evidence(args[4], args[6])
        local connections, leads = mu.bury(c, id, known, reason)
        mu.instance_event(c, 'dead', id, incarnation, connections, reason, ',"leads":' .. int(leads) .. heard)
        return '{"instance":"' .. id .. '","incarnation":"' .. incarnation .. '","buried":true,"connections":'
            .. int(connections) .. ',"leads":' .. int(leads) .. '}'
    end,
})
