-- order: what an operator wants done now. Not fenced: he decides, and not the coordinator. What data
-- can do is done here, with every precondition checked again; what only a daemon can do (let go of
-- the brake or of the lease, forget decisions, reap) is told on `signal`, and the answer says how
-- things stand, so that who asked can wait for it.

local fail, check_id, int = mu.fail, mu.check_id, mu.int

local BY_MAX = 400
local GHOSTS_MAX = 500

-- For people: who, as JSON.
local function who(by)
    if #by < 1 or #by > BY_MAX or find(by, '%c') then
        fail('BAD_REQUEST', 'by must have 1 to ' .. BY_MAX .. ' bytes without control characters')
    end
    return encode((gsub(by, '[^\32-\126]', '?')))
end

-- Daemons do what is theirs, and log who gave which order. Returns how many heard it.
local function tell(c, order, by, rest)
    return call('PUBLISH', c.prefix .. 'signal', '{"signal":"order","order":"' .. order .. '","by":' .. by .. rest .. '}')
end

local function give(c, order, by, rest)
    mu.note(c, '"event":"order.given","order":"' .. order .. '","by":' .. by .. rest)
    return tell(c, order, by, rest)
end

local ORDERS = {}

-- The order names the incarnation: another one, or one that was started meanwhile, is refused.
ORDERS['bury'] = function(c, by, id, incarnation)
    if not incarnation then
        fail('BAD_REQUEST', 'bury takes an instance and its incarnation')
    end
    local name = id .. ':' .. incarnation
    local known = mu.instance(c, id)
    local connections, leads
    if not (known and known.incarnation == incarnation) and call('ZSCORE', c.prefix .. 'buried', name) then
        connections = call('HLEN', c.prefix .. 'ghosts:' .. name)
        connections = connections > 0 and connections - 1 or 0
        leads = call('SCARD', c.prefix .. 'ghosts:' .. name .. ':leads')
    else
        known = mu.own_instance(c, id, incarnation)
        connections, leads = mu.bury(c, id, known, 'instance-dead')
        mu.instance_event(c, 'dead', id, incarnation, connections, 'instance-dead', ',"leads":' .. int(leads)
            .. ',"by_order":' .. by)
        tell(c, 'bury', by, ',"instance":"' .. id .. '","incarnation":"' .. incarnation .. '"')
    end
    return ',"instance":"' .. id .. '","incarnation":"' .. incarnation .. '","connections":' .. int(connections)
        .. ',"leads":' .. int(leads)
end

-- Ghosts that wait for their members to be taken up wait no longer: all, or those of one instance,
-- among the first GHOSTS_MAX. `more`: there are further ones.
ORDERS['reap'] = function(c, by, id)
    local key, now = c.prefix .. 'ghosts', int(mu.now(c))
    local waiting = call('ZRANGEBYSCORE', key, '(' .. now, '+inf', 'LIMIT', '0', int(GHOSTS_MAX + 1))
    local ghosts = 0
    for index = 1, min(#waiting, GHOSTS_MAX) do
        if not id or sub(waiting[index], 1, #id + 1) == id .. ':' then
            call('ZADD', key, 'XX', now, waiting[index])
            ghosts = ghosts + 1
        end
    end
    if ghosts > 0 then
        give(c, 'reap', by, (id and ',"instance":"' .. id .. '"' or '') .. ',"ghosts":' .. int(ghosts))
    end
    return ',"ghosts":' .. int(ghosts) .. ',"more":' .. (#waiting > GHOSTS_MAX and 'true' or 'false')
end

-- Told again by each repeat, until the coordinator has let it go.
ORDERS['brake-release'] = function(c, by)
    local engaged = call('EXISTS', c.prefix .. 'brake') == 1
    if engaged then
        give(c, 'brake-release', by, '')
    end
    return ',"engaged":' .. (engaged and 'true' or 'false')
end

-- The order is for the tenure that stands now; a daemon that is named and holds no lease has nothing
-- to do.
ORDERS['step-down'] = function(c, by, daemon)
    local standing = mu.lease(c)
    if not standing then
        fail('UNAVAILABLE', 'no daemon coordinates now')
    end
    local told = not daemon or daemon == standing.id
    if told then
        local others = call('HLEN', c.prefix .. 'daemons') - call('HEXISTS', c.prefix .. 'daemons', standing.id)
        if others < 1 then
            fail('UNAVAILABLE', 'no other daemon is there to coordinate')
        end
        give(c, 'step-down', by, ',"daemon":"' .. standing.id .. '","epoch":' .. int(standing.epoch))
    end
    return ',"coordinator":"' .. standing.id .. '","epoch":' .. int(standing.epoch) .. ',"told":'
        .. (told and 'true' or 'false')
end

ORDERS['flush-decisions'] = function(c, by)
    return ',"daemons":' .. int(give(c, 'flush-decisions', by, ''))
end

local TAKES = { ['bury'] = 2, ['reap'] = 1, ['step-down'] = 1 }

mu.define('order', {
    least = 2,
    most = 4,
    usage = 'by bury instance incarnation | by reap [instance] | by brake-release | by step-down [daemon] | '
        .. 'by flush-decisions',
    flags = { 'allow-oom' },
    body = function(c, args)
        local by, order = who(args[1]), args[2]
        if not ORDERS[order] or #args - 2 > (TAKES[order] or 0) then
            fail('BAD_REQUEST', 'order: bury instance incarnation, reap [instance], brake-release, step-down [daemon] or '
                .. 'flush-decisions')
        end
        if args[3] then
            check_id(args[3], order == 'step-down' and 'daemon' or 'instance')
        end
        if args[4] then
            check_id(args[4], 'incarnation')
        end
        return '{"order":"' .. order .. '"' .. ORDERS[order](c, by, args[3], args[4]) .. '}'
    end,
})
