-- `deadlines`: when the ttl or the grace of a connection ends. A record with a ttl, or away, has
-- one entry; the coordinator acts on it (82_expire). An entry outlives a burial, which is to stay
-- two renames: it goes with the ghost's record, or when its time comes and nobody is there.

local int = mu.int

function mu.has_deadline(record)
    return record.ttl ~= '' or record.until_at ~= ''
end

-- `owner` names instance and incarnation.
function mu.deadline_name(owner, connection)
    return owner.instance .. '/' .. owner.incarnation .. '/' .. connection
end

function mu.check_deadlines(c)
    mu.typed(c, 'ZCARD', c.prefix .. 'deadlines')
end

-- `who` names connection, instance and incarnation. A record that is away ends with its grace, else
-- its ttl begins anew.
function mu.set_deadline(c, record, who)
    local name = mu.deadline_name(who, who.connection)
    if record.until_at ~= '' then
        call('ZADD', c.prefix .. 'deadlines', record.until_at, name)
    elseif record.ttl ~= '' then
        call('ZADD', c.prefix .. 'deadlines', int(mu.now(c) + tonumber(record.ttl)), name)
    else
        call('ZREM', c.prefix .. 'deadlines', name)
    end
end

-- Its record is gone.
function mu.clear_deadline(c, record, who)
    if mu.has_deadline(record) then
        call('ZREM', c.prefix .. 'deadlines', mu.deadline_name(who, who.connection))
    end
end

-- What is stored of a secret: a hash that is of no use for another connection.
function mu.secret_hash(owner, connection, secret)
    return sha1hex('muster-resume/' .. mu.deadline_name(owner, connection) .. '/' .. secret)
end

-- Stores the record of a connection; a new one with its deadline, and with the mark that its
-- instance holds secrets. Types were checked by new_connection().
function mu.store_record(c, key, record, who)
    call('HSET', key, who.connection, mu.format_record(record))
    mu.count_held(c, record)
    if record.new then
        if record.ttl ~= '' then
            mu.set_deadline(c, record, who)
        end
        if record.secret ~= '' then
            call('HSET', c.prefix .. 'instance:' .. who.instance, 'secrets', '1')
        end
    end
end

-- A new record by its options.
function mu.new_connection(c, who, options, profile)
    if options.ttl then
        mu.check_deadlines(c)
    end
    local secret = options.resume and mu.secret_hash(who, who.connection, options.resume)
    return mu.new_record(mu.now(c), options, secret, profile)
end
