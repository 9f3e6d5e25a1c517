-- A session's own fields: loading, opening, events, saving.

local int, stored, now, clock = mu.int, mu.stored, mu.now, mu.clock

-- The fields of a session's hash that say how it stands, and the text of one member.
function mu.session_fields(key, connection)
    return call('HMGET', key, '#seq', '#leader', '#term', '#count', '#anonymous', '#gen', '#limit', '#keep', connection)
end

-- Reads a session and, of `connection` (may be nil), its member text; `fields` when they were read already.
-- What is returned is a working copy: operations change it, save() writes it back.
-- `session.whole`: more than seq and counts has changed.
function mu.load_session(c, id, connection, fields)
    local key = c.prefix .. 'session:' .. id
    local f = fields or mu.session_fields(key, connection or '#')
    local session = { id = id, key = key, text = f[9] }
    if not f[1] then
        session.exists = false
        session.count, session.anonymous, session.leader = 0, 0, ''
        return session
    end
    session.exists = true
    session.seq = stored(f[1], key, '#seq')
    session.leader = f[2] or ''
    session.term = stored(f[3], key, '#term')
    session.count = stored(f[4], key, '#count')
    session.anonymous = stored(f[5], key, '#anonymous')
    session.gen = f[6]
    session.limit = f[7] and stored(f[7], key, '#limit') or nil
    session.keep = f[8] == '1'
    return session
end

-- Checks the types of what any change of this session writes. Before the first write.
function mu.check_session_keys(c, session)
    mu.typed(c, 'ZCARD', session.key .. ':candidates')
    if session.count <= 1 then
        mu.typed(c, 'ZCARD', c.prefix .. 'sessions')
    end
    if not session.exists or session.gen ~= c.config.generation or session.count <= 1 then
        clock(c)
    end
end

-- The first write to a session in a generation lifts seq and term above everything that an older
-- data set may have handed out. Returns whether it did: then an event must follow in the same call,
-- for who follows the session hears of a new term by events alone.
function mu.lift(c, session)
    local lifts = session.gen ~= c.config.generation
    if lifts then
        local above = clock(c) + 1
        session.seq = max(session.seq, above)
        session.term = max(session.term, above)
        session.gen = c.config.generation
        session.whole = true
    end
    return lifts
end

function mu.open(c, session)
    local base = max(clock(c) + 1, now(c))
    session.exists, session.whole = true, true
    session.seq, session.term = base, base
    session.leader, session.count, session.anonymous = '', 0, 0
    session.gen = c.config.generation
    session.limit, session.keep = nil, false
    call('ZADD', c.prefix .. 'sessions', int(now(c)), session.id)
end

-- The last member left and nothing keeps it.
function mu.close(c, session)
    mu.raise_clock(c, max(session.seq, session.term))
    call('DEL', session.key, session.key .. ':candidates', session.key .. ':users')
    call('ZREM', c.prefix .. 'sessions', session.id)
    call('SREM', c.prefix .. 'leaderless', session.id)
    session.exists, session.leader = false, ''
end

-- Writes the working copy back, with one member field beside it when given. Most changes leave
-- leader, term and generation as they are.
function mu.save(session, connection, member)
    if not session.whole then
        if connection then
            call('HSET', session.key, '#seq', int(session.seq), '#count', int(session.count),
                '#anonymous', int(session.anonymous), connection, member)
        else
            call('HSET', session.key, '#seq', int(session.seq), '#count', int(session.count),
                '#anonymous', int(session.anonymous))
        end
    elseif connection then
        call('HSET', session.key, '#seq', int(session.seq), '#leader', session.leader, '#term', int(session.term),
            '#count', int(session.count), '#anonymous', int(session.anonymous), '#gen', session.gen,
            connection, member)
    else
        call('HSET', session.key, '#seq', int(session.seq), '#leader', session.leader, '#term', int(session.term),
            '#count', int(session.count), '#anonymous', int(session.anonymous), '#gen', session.gen)
    end
end

-- Publishes the session's next event; `body` follows the common fields and begins with a comma.
function mu.session_event(c, session, event, body)
    session.seq = session.seq + 1
    call('PUBLISH', c.prefix .. 'events:session:' .. session.id, '{"event":"' .. event .. '","session":"'
        .. session.id .. '","gen":"' .. session.gen .. '","seq":' .. int(session.seq) .. ',"term":'
        .. int(session.term) .. ',"at":' .. int(now(c)) .. body .. '}')
end
