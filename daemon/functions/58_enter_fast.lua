-- The frequent case of ENTER: a fresh anonymous connection joins a session that has a leader and no
-- limit. The same writes and texts as the general way (45_membership, 60_sessions), without their
-- tables and without reads that cannot matter: what a call costs is its commands and its strings.

local check_id, int = mu.check_id, mu.int

local RANK_AT_PRIORITY_0 = PRIORITY_MAX * RANK_STEP

-- The texts of small numbers, which formatting costs more than looking up.
local small = {}
local function count_text(number)
    local text = small[number]
    if not text then
        text = int(number)
        if number < 1024 then
            small[number] = text
        end
    end
    return text
end

-- Returns the reply; or nil, with nothing written, when it is another case. Then the second value,
-- when not nil, holds the session's fields.
function mu.enter_fast(c, id, connection, instance, incarnation, profile)
    check_id(connection, 'connection')
    check_id(instance, 'instance')
    check_id(incarnation, 'incarnation')
    local about = mu.instance_fields(c, instance)
    if about[1] ~= incarnation or about[3] == '1' then
        mu.know_instance(c, instance, about)
        return nil
    end
    local prefix = c.prefix
    local key = prefix .. 'session:' .. id
    local f = mu.session_fields(key, connection)
    local seq, leader, term = tonumber(f[1] or ''), f[2], f[3]
    local count, anonymous, generation = tonumber(f[4] or ''), tonumber(f[5] or ''), f[6]
    if not (seq and count and anonymous and tonumber(term or '')) or not leader or leader == ''
        or generation ~= c.config.generation or f[7] or f[9] then
        mu.know_instance(c, instance, about)
        return nil, f
    end

    local time = call('TIME')
    local now = format('%s%03d', time[1], time[2] / 1000)
    local rank = int(RANK_AT_PRIORITY_0 + seq + 1)
    local records = prefix .. 'instance:' .. instance .. ':connections'
    if call('HSETNX', records, connection, now .. '//////' .. id .. '/' .. profile) == 0 then
        mu.know_instance(c, instance, about)
        return nil, f
    end
    -- The one key that is written without having been read before. Of a wrong type it fails, and
    -- then the record, the only thing written so far, is taken back.
    local fits, wrong = pcall(call, 'ZADD', key .. ':candidates', rank,
        connection .. '/' .. instance .. '/' .. incarnation)
    if not fits then
        call('HDEL', records, connection)
        error(wrong)
    end
    local seq_text, count_now = int(seq + 1), count_text(count + 1)
    local member = '{"connection":"' .. connection .. '","instance":"' .. instance .. '","incarnation":"' .. incarnation
        .. '","joined_at":' .. now .. ',"profile":' .. profile .. '}'
    call('HSET', key, '#seq', seq_text, '#count', count_now, '#anonymous', count_text(anonymous + 1), connection, member)
    call('PUBLISH', prefix .. 'events:session:' .. id, '{"event":"member.joined","session":"' .. id .. '","gen":"'
        .. generation .. '","seq":' .. seq_text .. ',"term":' .. term .. ',"at":' .. now .. ',"count":' .. count_now
        .. ',"member":' .. member .. '}')
    return '{"session":"' .. id .. '","connection":"' .. connection .. '","joined":true,"gen":"' .. generation
        .. '","seq":' .. seq_text .. ',"leader":"' .. leader .. '","term":' .. term .. ',"count":' .. count_now .. '}'
end
