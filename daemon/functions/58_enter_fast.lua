-- The frequent case of ENTER: a fresh anonymous connection joins a session that has a leader and no
-- limit. The same reads, writes and texts as the general way (45_membership, 60_sessions), without
-- their tables and without reads that cannot matter.
--
-- Nothing is written before everything is read: the one key that is written without having been
-- read, `candidates`, is written first, so a wrong type there still changes nothing.

local check_id, int = mu.check_id, mu.int

local RANK_AT_PRIORITY_0 = PRIORITY_MAX * RANK_STEP

-- Returns the reply; or nil, with nothing written, when it is another case. Then the second value,
-- when not nil, says that the connection has no record yet and holds the session's fields.
function mu.enter_fast(c, id, connection, instance, incarnation, profile)
    check_id(connection, 'connection')
    check_id(instance, 'instance')
    check_id(incarnation, 'incarnation')
    local known = mu.instance(c, instance)
    if not known or known.incarnation ~= incarnation or known.draining then
        return nil
    end
    local records = c.prefix .. 'instance:' .. instance .. ':connections'
    if call('HEXISTS', records, connection) == 1 then
        return nil
    end
    local key = c.prefix .. 'session:' .. id
    local f = mu.session_fields(key, connection)
    local seq, leader, term = tonumber(f[1] or ''), f[2], f[3]
    local count, anonymous, generation = tonumber(f[4] or ''), tonumber(f[5] or ''), f[6]
    if not (seq and count and anonymous and tonumber(term or '')) or not leader or leader == ''
        or generation ~= c.config.generation or f[7] or f[9] then
        return nil, f
    end

    local now = int(mu.now(c))
    local rank = int(RANK_AT_PRIORITY_0 + seq + 1)
    local seq_text, count_text = int(seq + 1), int(count + 1)
    local member = '{"connection":"' .. connection .. '","instance":"' .. instance .. '","incarnation":"' .. incarnation
        .. '","joined_at":' .. now .. ',"profile":' .. profile .. '}'
    call('ZADD', key .. ':candidates', rank, connection .. '/' .. instance .. '/' .. incarnation)
    call('HSET', records, connection, now .. '//////' .. id .. '/' .. profile)
    call('HSET', key, '#seq', seq_text, '#count', count_text, '#anonymous', int(anonymous + 1), connection, member)
    call('PUBLISH', c.prefix .. 'events:session:' .. id, '{"event":"member.joined","session":"' .. id .. '","gen":"'
        .. generation .. '","seq":' .. seq_text .. ',"term":' .. term .. ',"at":' .. now .. ',"count":' .. count_text
        .. ',"member":' .. member .. '}')
    return '{"session":"' .. id .. '","connection":"' .. connection .. '","joined":true,"gen":"' .. generation
        .. '","seq":' .. seq_text .. ',"leader":"' .. leader .. '","term":' .. term .. ',"count":' .. count_text .. '}'
end
