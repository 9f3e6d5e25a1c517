-- CONFIGURE

local fail, check_id, quote, int = mu.fail, mu.check_id, mu.quote, mu.int

local function reply(session)
    return '{"session":"' .. session.id .. '","limit":' .. (session.limit and int(session.limit) or 'null')
        .. ',"keep":' .. (session.keep and 'true' or 'false') .. '}'
end

-- What is asked for: limit (nil: none), keep, meta (nil: as it is).
local function wanted(session, options, meta)
    local want = { limit = session.limit, keep = session.keep or false }
    if options.limit ~= nil then
        want.limit = type(options.limit) == 'number' and options.limit or nil
    end
    if options.keep ~= nil then
        want.keep = options.keep
    end
    if meta and meta ~= (session.exists and call('HGET', session.key, '#meta')) then
        want.meta = meta
    end
    return want
end

local function store(session, want)
    if want.limit ~= session.limit then
        if want.limit then
            call('HSET', session.key, '#limit', int(want.limit))
        else
            call('HDEL', session.key, '#limit')
        end
    end
    if want.keep ~= (session.keep or false) then
        if want.keep then
            call('HSET', session.key, '#keep', '1')
        else
            call('HDEL', session.key, '#keep')
        end
    end
    if want.meta then
        call('HSET', session.key, '#meta', want.meta)
    end
    session.limit, session.keep = want.limit, want.keep
end

mu.define('configure', {
    least = 2,
    most = 3,
    usage = 'session options [meta]',
    body = function(c, args)
        check_id(args[1], 'session')
        local options = mu.options_argument(c, args[2], 'configure')
        local meta = args[3] and args[3] ~= '' and args[3] or nil
        if meta then
            mu.check_json(meta, 'meta', c.config.profile)
        end
        local session = mu.load_session(c, args[1])
        if not session.exists and not options.keep then
            if options.keep == false then
                return reply(session) -- it was un-kept, and so closed, before
            end
            fail('UNKNOWN_SESSION', 'session ' .. quote(args[1]) .. ' does not exist; keep:true would open it')
        end
        local want = wanted(session, options, meta)
        if session.exists and want.limit == session.limit and want.keep == session.keep and not want.meta then
            return reply(session)
        end
        mu.check_session_keys(c, session)
        if session.count == 0 and not want.keep then
            mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
            mu.close(c, session)
            session.limit, session.keep = nil, false
            return reply(session)
        end
        -- It has no event, so it lifts nothing: a new term would be told to nobody.
        if not session.exists then
            mu.open(c, session)
            mu.save(session)
        end
        store(session, want)
        return reply(session)
    end,
})
