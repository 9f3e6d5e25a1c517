-- The frequent cases of ENTER, without the frame of 20_config: a fresh anonymous connection of a live
-- instance joins a session that has a leader and no limit, or opens one, whose leader it becomes; or a
-- member enters again. The same writes and texts as the general way (45_membership, 60_sessions), without
-- their tables and without reads that cannot matter: what a call costs is its commands and its strings.
--
-- A quick way refuses nothing. Whatever is unusual, damage and errors included, it leaves to the
-- general way, with nothing written: reads are tried (an error of Redis is a table, so it is like no
-- value that is asked for), and keys that are written without having been read come first.

local int, is_id, known_id, json_fits, peek = mu.int, mu.is_id, mu.known_id, mu.json_fits, mu.peek

local RANK_AT_PRIORITY_0 = PRIORITY_MAX * RANK_STEP

-- The text of a small number -> that of the next: cheaper than reading and formatting it.
local next_count = {}
for number = 0, 1023 do
    next_count[number .. ''] = (number + 1) .. ''
end

local function one_more(text)
    local more = next_count[text]
    if more then
        return more
    end
    local number = tonumber(text)
    return number and int(number + 1)
end

-- Redis's time in ms, as text.
local function time_text()
    local time = call('TIME')
    local seconds, micros = time[1], time[2]
    if #micros == 6 then
        return seconds .. sub(micros, 1, 3)
    end
    return format('%s%03d', seconds, floor(tonumber(micros) / 1000))
end

-- What was written before a key of a wrong type was met is taken back. Returns nil.
local function undo(prefix, id, records, connection, candidate)
    call('HDEL', records, connection)
    try('ZREM', prefix .. 'session:' .. id .. ':candidates', candidate)
    return nil
end

local function open(prefix, config, id, connection, instance, incarnation, profile)
    local clock = try('GET', prefix .. 'clock')
    clock = not clock and 0 or tonumber(clock)
    if not clock or not is_id(id) or try('HGET', prefix .. 'instance:' .. instance, 'state') ~= 'up' then
        return nil
    end
    local now = time_text()
    local base = max(clock + 1, tonumber(now))
    local term, seq = int(base + 1), int(base + 2)
    local key = prefix .. 'session:' .. id
    local records = prefix .. 'instance:' .. instance .. ':connections'
    local candidate = connection .. '/' .. instance .. '/' .. incarnation
    if try('HSETNX', records, connection, now .. '//////' .. id .. '/' .. profile) ~= 1 then
        return nil
    end
    if try('ZADD', key .. ':candidates', int(RANK_AT_PRIORITY_0 + base + 1), candidate) ~= 1
        or try('ZADD', prefix .. 'sessions', now, id) ~= 1 then
        return undo(prefix, id, records, connection, candidate)
    end
    if try('SADD', prefix .. 'instance:' .. instance .. ':leads', id) ~= 1 then
        call('ZREM', prefix .. 'sessions', id)
        return undo(prefix, id, records, connection, candidate)
    end
    local member = '{"connection":"' .. connection .. '","instance":"' .. instance .. '","incarnation":"' .. incarnation
        .. '","joined_at":' .. now .. ',"profile":' .. profile .. '}'
    local generation = config.generation
    local events, about = prefix .. 'events:session:' .. id, '","session":"' .. id .. '","gen":"' .. generation
    call('HSET', key, '#seq', seq, '#leader', connection, '#term', term, '#count', '1', '#anonymous', '1',
        '#gen', generation, connection, member)
    call('PUBLISH', events, '{"event":"member.joined' .. about .. '","seq":' .. term .. ',"term":' .. int(base)
        .. ',"at":' .. now .. ',"count":1,"member":' .. member .. '}')
    call('PUBLISH', events, '{"event":"leader.changed' .. about .. '","seq":' .. seq .. ',"term":' .. term
        .. ',"at":' .. now .. ',"leader":"' .. connection .. '","previous":null,"reason":"first"}')
    return '{"session":"' .. id .. '","connection":"' .. connection .. '","joined":true,"gen":"' .. generation
        .. '","seq":' .. seq .. ',"leader":"' .. connection .. '","term":' .. term .. ',"count":1}'
end

-- A member of its own instance, which is not away, enters again. `f`: the session's fields.
local function repeated(prefix, f, id, connection, instance, incarnation)
    local member = '{"connection":"' .. connection .. '","instance":"' .. instance .. '","incarnation":"' .. incarnation
        .. '",'
    local record = find(f[9], member, 1, true) == 1
        and try('HGET', prefix .. 'instance:' .. instance .. ':connections', connection)
    if type(record) ~= 'string' or not find(record, '^%d+/[^/]*/%d*//[^/]*/[^/]*/[^/]*/%s*{') then
        return nil
    end
    return '{"session":"' .. id .. '","connection":"' .. connection .. '","joined":false,"gen":"' .. f[6]
        .. '","seq":' .. f[1] .. ',"leader":"' .. f[2] .. '","term":' .. f[3] .. ',"count":' .. f[4] .. '}'
end

-- Returns the reply; or nil, then the settings and the session's fields as far as they were read.
function mu.enter_fast(keys, args)
    local id, connection, instance, incarnation, options, profile = unpack(args)
    if not incarnation or (options and options ~= '' and options ~= '{}') or args[7] then
        return nil
    end
    local prefix, config = peek(keys)
    if not prefix or not known_id(instance) or not known_id(incarnation) or not is_id(connection) then
        return nil
    end
    if not profile or profile == '' then
        profile = '{}'
    elseif #profile > config.profile or not json_fits(profile) then
        return nil
    end
    local about = try('HMGET', prefix .. 'instance:' .. instance, 'incarnation', 'draining')
    if about[1] ~= incarnation or about[2] == '1' then
        return nil, config
    end
    local key = prefix .. 'session:' .. id
    local f = try('HMGET', key, '#seq', '#leader', '#term', '#count', '#anonymous', '#gen', '#limit', '#keep', connection)
    local leader, term, generation = f[2], f[3], f[6]
    if f[1] == false then -- no such session; one that is there has an id that was looked at
        return open(prefix, config, id, connection, instance, incarnation, profile)
    end
    local seq, count, anonymous = tonumber(f[1] or ''), one_more(f[4] or ''), one_more(f[5] or '')
    if not (seq and count and anonymous and tonumber(term or '')) or not leader or leader == '' or not generation then
        return nil, config
    end
    if f[9] then
        return repeated(prefix, f, id, connection, instance, incarnation), config, f
    end
    if generation ~= config.generation or f[7] then
        return nil, config, f
    end

    local now = time_text()
    local records = prefix .. 'instance:' .. instance .. ':connections'
    local candidate = connection .. '/' .. instance .. '/' .. incarnation
    if try('HSETNX', records, connection, now .. '//////' .. id .. '/' .. profile) ~= 1 then
        return nil, config, f
    end
    if type(try('ZADD', key .. ':candidates', int(RANK_AT_PRIORITY_0 + seq + 1), candidate)) ~= 'number' then
        return undo(prefix, id, records, connection, candidate)
    end
    local seq_text = int(seq + 1)
    local member = '{"connection":"' .. connection .. '","instance":"' .. instance .. '","incarnation":"' .. incarnation
        .. '","joined_at":' .. now .. ',"profile":' .. profile .. '}'
    call('HSET', key, '#seq', seq_text, '#count', count, '#anonymous', anonymous, connection, member)
    call('PUBLISH', prefix .. 'events:session:' .. id, '{"event":"member.joined","session":"' .. id .. '","gen":"'
        .. generation .. '","seq":' .. seq_text .. ',"term":' .. term .. ',"at":' .. now .. ',"count":' .. count
        .. ',"member":' .. member .. '}')
    return '{"session":"' .. id .. '","connection":"' .. connection .. '","joined":true,"gen":"' .. generation
        .. '","seq":' .. seq_text .. ',"leader":"' .. leader .. '","term":' .. term .. ',"count":' .. count .. '}'
end
