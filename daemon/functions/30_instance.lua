-- Instances: who is registered, live, eligible; and the names of what they own.

local fail, quote, int, now = mu.fail, mu.quote, mu.int, mu.now

-- What an instance's hash says about it: incarnation, state, draining.
local function instance_fields(c, id)
    return call('HMGET', c.prefix .. 'instance:' .. id, 'incarnation', 'state', 'draining')
end

-- The pace of a drain and how far it is, in the instance's hash: all of them or none (84_move).
mu.DRAIN_FIELDS = { 'drain_rate', 'drain_notice', 'drain_told', 'drain_rounds', 'drain_until', 'drain_cursor' }

-- Remembers, for this call, what instance_fields() read.
local function know_instance(c, id, fields)
    local known = false
    if fields[1] then
        known = {
            incarnation = fields[1],
            state = fields[2],
            draining = fields[3] == '1',
            eligible = fields[2] == 'up' and fields[3] ~= '1',
        }
    end
    c.instances = c.instances or {}
    c.instances[id] = known
    return known
end

-- The registered instance {incarnation, state, draining, eligible}, or false. Looked up once a call.
local function instance(c, id)
    local instances = c.instances
    local known = instances and instances[id]
    if known == nil or not instances then
        known = know_instance(c, id, instance_fields(c, id))
    end
    return known
end
mu.instance = instance

-- The caller's instance: registered, and with this very incarnation.
function mu.own_instance(c, id, incarnation)
    mu.check_id(id, 'instance')
    mu.check_id(incarnation, 'incarnation')
    local known = instance(c, id)
    if not known then
        fail('UNKNOWN_INSTANCE', 'instance ' .. quote(id)
            .. ' is not registered: start it with a new incarnation and enter its connections again')
    end
    if known.incarnation ~= incarnation then
        fail('STALE_INCARNATION', 'instance ' .. quote(id) .. ' is registered with another incarnation, not '
            .. quote(incarnation))
    end
    return known
end

function mu.is_live(c, id, incarnation)
    local known = instance(c, id)
    return known and known.incarnation == incarnation
end

function mu.is_eligible(c, id, incarnation)
    local known = instance(c, id)
    return known and known.eligible and known.incarnation == incarnation
end

-- Why somebody on this incarnation may not lead: the reason in `leader.changed`.
function mu.ineligible_reason(c, id, incarnation)
    local known = instance(c, id)
    if known and known.incarnation == incarnation then
        return known.state == 'up' and 'draining' or 'instance-suspect'
    end
    return call('HGET', c.prefix .. 'ghosts:' .. id .. ':' .. incarnation, '#reason') or 'instance-dead'
end

function mu.check_not_draining(known, id)
    if known.draining then
        fail('DRAINING', 'instance ' .. quote(id) .. ' takes no new connections')
    end
end

-- Records and leads of an incarnation: under its instance while live, under its ghost afterwards.
function mu.records_key(c, id, incarnation)
    if mu.is_live(c, id, incarnation) then
        return c.prefix .. 'instance:' .. id .. ':connections', true
    end
    return c.prefix .. 'ghosts:' .. id .. ':' .. incarnation, false
end

function mu.leads_key(c, id, incarnation)
    if mu.is_live(c, id, incarnation) then
        return c.prefix .. 'instance:' .. id .. ':leads'
    end
    return c.prefix .. 'ghosts:' .. id .. ':' .. incarnation .. ':leads'
end

-- `more`: what only the journal tells, as JSON that begins with a comma; may be nil.
function mu.instance_event(c, event, id, incarnation, connections, reason, more)
    local head = '"event":"instance.' .. event .. '","instance":"' .. id .. '","incarnation":"' .. incarnation .. '"'
    local rest = (reason and ',"reason":"' .. reason .. '"' or '') .. ',"connections":' .. int(connections)
    call('PUBLISH', c.prefix .. 'events:instances', '{' .. head .. ',"at":' .. int(now(c)) .. rest .. '}')
    mu.note(c, head .. rest .. (more or ''))
end

-- A sign of life that was already checked to come from the registered incarnation.
-- Returns whether it made a suspect instance up again.
function mu.heard(c, id, known)
    local key = c.prefix .. 'instance:' .. id
    local revived = known.state ~= 'up'
    local connections = revived and call('HLEN', key .. ':connections') or 0
    mu.typed(c, 'ZCARD', c.prefix .. 'instances')
    call('ZADD', c.prefix .. 'instances', int(now(c)), id)
    call('SET', key .. ':alive', known.incarnation, 'PX', int(c.config.suspect_after_ms))
    if revived then
        call('HSET', key, 'state', 'up')
        known.state = 'up'
        known.eligible = not known.draining
        mu.instance_event(c, 'up', id, known.incarnation, connections)
    end
    return revived
end

-- Entries of `buried` older than a day go, but not while their ghost exists. A few a call.
local function trim_buried(c)
    local buried = c.prefix .. 'buried'
    local old = call('ZRANGEBYSCORE', buried, '-inf', int(now(c) - BURIED_KEEP_MS), 'LIMIT', '0', '8')
    for index = 1, #old do
        if not call('ZSCORE', c.prefix .. 'ghosts', old[index]) then
            call('ZREM', buried, old[index])
        end
    end
end

-- Turns the registered incarnation of `id` into a ghost: two renames, whatever it held. Returns
-- how many connections and leads it had. The instance's key is gone afterwards.
function mu.bury(c, id, known, reason)
    local key = c.prefix .. 'instance:' .. id
    local name = id .. ':' .. known.incarnation
    local ghost = c.prefix .. 'ghosts:' .. name
    local connections = call('HLEN', key .. ':connections')
    local leads = call('SCARD', key .. ':leads')
    local secrets = call('HGET', key, 'secrets')
    mu.typed(c, 'ZCARD', c.prefix .. 'instances')
    mu.typed(c, 'ZCARD', c.prefix .. 'ghosts')
    mu.typed(c, 'ZCARD', c.prefix .. 'buried')
    if call('EXISTS', ghost, ghost .. ':leads') ~= 0 then
        fail('UNAVAILABLE', 'a ghost of ' .. quote(name) .. ' exists already; it must be reaped first')
    end

    local waits = reason == 'instance-restarted' or secrets == '1'
    if connections > 0 then
        call('RENAME', key .. ':connections', ghost)
        call('HSET', ghost, '#reason', reason)
        call('ZADD', c.prefix .. 'ghosts', int(now(c) + (waits and c.config.resume_grace_ms or 0)), name)
        if leads > 0 then
            call('RENAME', key .. ':leads', ghost .. ':leads')
        end
    end
    call('DEL', key, key .. ':alive', key .. ':leads')
    call('ZREM', c.prefix .. 'instances', id)
    call('ZADD', c.prefix .. 'buried', int(now(c)), name)
    trim_buried(c)
    c.instances[id] = false
    return connections, leads
end
