-- Tells the connections of a draining instance to move, some a call: move. Fenced.
--
-- A round tells everybody once; each who is told has `drain_notice` ms. When the notice of the last
-- one is over, another round begins for those who are still there. Where a round is stands in the
-- hash of the instance, not with the coordinator: the next one goes on from there, and a call whose
-- answer was lost tells nobody twice. Fields:
--   drain_told    told in this round           drain_until   by when the last of them should be gone
--   drain_rounds  rounds that are over         drain_cursor  where this one is
-- The cursor is `-` between rounds. A small instance is told in the order of the names: `=<name>` is
-- the last one, since HSCAN gives a compact hash as one page of any size. Of a large one it is the
-- cursor of HSCAN. Another process at Redis (a restart, a failover) orders it differently, so a round may then
-- miss some; the next round finds them.

local fail, int, quote = mu.fail, mu.int, mu.quote

local SMALL = 512 -- connections
local EVENT_MAX = 128 -- connections in one event

-- Who is next, and the cursor afterwards.
local function by_name(key, last, budget)
    local names, ids = call('HKEYS', key), {}
    sort(names)
    for index = 1, #names do
        if names[index] > last then
            if #ids == budget then
                return ids, '=' .. ids[budget]
            end
            ids[#ids + 1] = names[index]
        end
    end
    return ids, '-'
end

local function by_page(key, cursor, budget)
    local page = call('HSCAN', key, cursor, 'COUNT', int(budget))
    local ids = {}
    for index = 1, #page[2], 2 do
        ids[#ids + 1] = page[2][index]
    end
    return ids, page[1] == '0' and '-' or page[1]
end

local function tell(c, id, incarnation, until_at, names)
    local ids = {}
    for index = 1, #names do
        -- Damaged data must not break the event.
        ids[#ids + 1] = find(names[index], '^[%w%._~@|+=%-]+$') and names[index] or nil
    end
    local head = '{"event":"instance.move","instance":"' .. id .. '","incarnation":"' .. incarnation .. '","at":'
        .. int(mu.now(c)) .. ',"until":' .. int(until_at) .. ',"connections":["'
    for from = 1, #ids, EVENT_MAX do
        call('PUBLISH', c.prefix .. 'events:instances',
            head .. concat(ids, '","', from, min(from + EVENT_MAX - 1, #ids)) .. '"]}')
    end
end

-- The pace and the place, or a failure: nobody is to be told.
local function read_drain(c, id, known)
    local key = c.prefix .. 'instance:' .. id
    local f = call('HMGET', key, unpack(mu.DRAIN_FIELDS))
    if not known.draining or not f[1] then
        fail('ALIVE', 'instance ' .. quote(id) .. ' does not drain at a rate: its connections stay')
    end
    local drain = { cursor = f[6] or '-' }
    for index = 1, 5 do
        drain[sub(mu.DRAIN_FIELDS[index], 7)] = mu.stored(f[index], key, mu.DRAIN_FIELDS[index])
    end
    return drain
end

-- One step of a round, if one may go on now. Returns who was told; changes `drain`.
local function step(c, key, drain, budget)
    local now, left = mu.now(c), call('HLEN', key .. ':connections')
    local cursor = drain.cursor
    if cursor == '-' then
        if left == 0 or now < drain['until'] then
            return {}
        end
        cursor, drain.told = left <= SMALL and '=' or '0', 0
    end
    local ids
    if sub(cursor, 1, 1) ~= '=' then
        ids, cursor = by_page(key .. ':connections', cursor, budget)
    elseif left <= 2 * SMALL then
        ids, cursor = by_name(key .. ':connections', sub(cursor, 2), budget)
    else
        ids, cursor = {}, '-' -- others were resumed here meanwhile: they are in the next round
    end
    drain.cursor, drain.told = cursor, drain.told + #ids
    if cursor == '-' then
        drain.rounds = drain.rounds + 1
    end
    if #ids > 0 then
        drain['until'] = now + drain.notice
    end
    call('HSET', key, 'drain_told', int(drain.told), 'drain_rounds', int(drain.rounds),
        'drain_until', int(drain['until']), 'drain_cursor', cursor)
    return ids
end

mu.define('move', {
    least = 4,
    most = 4,
    usage = 'epoch instance incarnation budget',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.fence(c, args[1])
        local id, incarnation = args[2], args[3]
        local budget = mu.check_integer(args[4], 'budget', 1, 512)
        local known = mu.own_instance(c, id, incarnation)
        local key = c.prefix .. 'instance:' .. id
        local drain = read_drain(c, id, known)
        local leads = call('SCARD', key .. ':leads')
        local left = call('HLEN', key .. ':connections')
        -- Leaderships first: while one is left nobody is told.
        local ids = leads == 0 and step(c, key, drain, budget) or {}
        tell(c, id, incarnation, drain['until'], ids)
        local wait = drain.cursor == '-' and max(0, drain['until'] - mu.now(c)) or 0
        return '{"instance":"' .. id .. '","told":' .. int(#ids) .. ',"left":' .. int(left) .. ',"leads":' .. int(leads)
            .. ',"rate":' .. int(drain.rate) .. ',"round":' .. int(drain.rounds) .. ',"wait":' .. int(wait) .. '}'
    end,
})
