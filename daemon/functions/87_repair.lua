-- muster_repair: mends one finding of muster_look, and publishes the events that this implies.
--
-- The verdict comes from outside and proves nothing: the same look is made again first, in the same
-- call, and when it does not find `code` any more nothing is done. One call mends one code of one
-- thing; a session of more than WHOLE fields is mended member by member. What follows from a repair
-- (a leader who has left the candidates, a session that is empty now) is a finding of the next pass.
--
-- Members that cannot stay leave as `kicked` (`instance-dead` if nobody owns them), so readers see
-- them go; only where #seq or #term themselves were lost must readers see a gap, and read again.

local fail, quote, int = mu.fail, mu.quote, mu.int
local look = mu.look
local whole, is_id = look.whole, look.is_id

local DETAIL = '"musterctl fsck --repair"'

-- ---- sessions ------------------------------------------------------------------------------

local function elect(c, id, reason)
    local session = mu.load_session(c, id)
    local leader = mu.leader_of(session)
    mu.check_session_keys(c, session)
    local plan = mu.plan_election(c, session, leader, session.leader, false)
    mu.apply_election(c, session, plan, reason)
    mu.save(session)
end

local function elect_instead(c, id)
    local session = mu.load_session(c, id)
    local leader = mu.leader_of(session)
    local reason = 'left'
    if leader then
        reason = leader.away and 'away' or leader.leads_never and 'promoted'
            or mu.ineligible_reason(c, leader.instance, leader.incarnation)
    end
    elect(c, id, reason)
end

local function elect_first(c, id)
    elect(c, id, 'eligible-again')
end

local function leave(c, id, connection, reason, detail)
    local session = mu.load_session(c, id, connection)
    local member = mu.member_of(session)
    local plan = mu.plan_removal(c, session, member, false)
    mu.apply_drop(c, member, mu.plan_drop(c, member, session.id))
    mu.apply_removal(c, plan, reason, detail)
end

-- Without the original, a rank near the time of joining.
local function rank_of(m, seq)
    local joined = max(1, min(seq, whole(m.joined_at)))
    return int((PRIORITY_MAX - m.priority) * RANK_STEP + joined)
end

-- Numbers, users and candidates of a session that is read whole, by its members.
local function recount(c, id)
    local key = c.prefix .. 'session:' .. id
    if call('HLEN', key) > look.WHOLE then
        local known, members = mu.session_fields(key, '#meta'), call('HLEN', key)
        for index = 1, 9 do
            members = members - (known[index] and 1 or 0)
        end
        call('HSET', key, '#count', int(members))
        return
    end
    local all, users, candidates = call('HGETALL', key), {}, {}
    local seq, members, anonymous = 1, 0, 0
    for index = 1, #all, 2 do
        if all[index] == '#seq' then
            seq = whole(all[index + 1]) or 1
        elseif sub(all[index], 1, 1) ~= '#' then
            local m = look.member(all[index + 1], all[index])
            if not m then
                fail('UNAVAILABLE', 'member ' .. quote(all[index]) .. ' must be mended first')
            end
            members = members + 1
            if m.user then
                users[m.user] = (users[m.user] or 0) + 1
            else
                anonymous = anonymous + 1
            end
            if m.may_lead then
                candidates[m.candidate] = m
            end
        end
    end
    local stored_users = call('HGETALL', key .. ':users')
    local stored = call('ZRANGE', key .. ':candidates', '0', '-1', 'WITHSCORES')
    call('HSET', key, '#count', int(members), '#anonymous', int(anonymous))
    for index = 1, #stored_users, 2 do
        if not users[stored_users[index]] then
            call('HDEL', key .. ':users', stored_users[index])
        end
    end
    for user, number in pairs(users) do
        call('HSET', key .. ':users', user, int(number))
    end
    for index = 1, #stored, 2 do
        local m = candidates[stored[index]]
        if not m then
            call('ZREM', key .. ':candidates', stored[index])
        elseif not look.rank_wrong(m, tonumber(stored[index + 1]), seq) then
            candidates[stored[index]] = nil
        end
    end
    for name, m in pairs(candidates) do
        call('ZADD', key .. ':candidates', rank_of(m, seq), name)
    end
end

-- A member whose text cannot be read leaves all the same, with the user that its text still shows.
-- Users and candidates are recounted afterwards (in a large session by the next pass).
local function remove_unreadable(c, id, connection)
    local session = mu.load_session(c, id)
    local key = session.key
    local text = call('HGET', key, connection)
    local instance = match(text, '"instance":"([%w%._~@|+=%-]+)"') or '-'
    local user = match(text, '"user":"([%w%._~@|+=%-]+)"')
    local of_user = user and whole(call('HGET', key .. ':users', user) or nil)
    mu.check_session_keys(c, session)
    mu.typed(c, 'SCARD', c.prefix .. 'leaderless')
    local closes = session.count <= 1 and not session.keep
    mu.lift(c, session)
    session.count = max(0, session.count - 1)
    call('HDEL', key, connection)
    mu.session_event(c, session, 'member.left', ',"count":' .. int(session.count)
        .. (of_user and ',"last":' .. (of_user <= 1 and 'true' or 'false') or '') .. ',"connection":'
        .. encode((gsub(connection, '[^\32-\126]', '?'))) .. (of_user and ',"user":"' .. user .. '"' or '')
        .. ',"instance":"' .. instance .. '","reason":"kicked","detail":' .. DETAIL .. (closes and ',"closed":true' or ''))
    if closes then
        mu.close(c, session)
        return text
    end
    mu.save(session)
    if session.leader == connection then
        elect(c, id, 'kicked')
    end
    return text
end

local function remove_all_unreadable(c, id)
    local key, was = c.prefix .. 'session:' .. id, nil
    local all = call('HGETALL', key)
    for index = 1, #all, 2 do
        if sub(all[index], 1, 1) ~= '#' and not look.member(all[index + 1], all[index]) then
            was = remove_unreadable(c, id, all[index])
        end
    end
    if call('EXISTS', key) == 1 then
        recount(c, id)
    end
    return was
end

-- #seq, #term and #gen. A new term is announced, with the leader that was there.
local function renumber(c, id)
    local key = c.prefix .. 'session:' .. id
    local f = call('HMGET', key, '#seq', '#term', '#gen')
    local opened = tonumber(call('ZSCORE', c.prefix .. 'sessions', id) or nil) or 0
    local seq, term = whole(f[1] or nil), whole(f[2] or nil)
    local lost = not term or term < opened
    if not seq or seq < opened then
        seq = max(mu.clock(c) + 1, mu.now(c), seq or 0)
    end
    seq = max(seq, term or 0)
    call('HSET', key, '#seq', int(seq), '#term', int(lost and seq or term))
    local session = mu.load_session(c, id)
    local lifted = mu.lift(c, session)
    session.whole = true
    if lost or lifted then
        session.term = session.seq + 1
        local leader = mu.id_or_null(session.leader)
        mu.session_event(c, session, 'leader.changed', ',"leader":' .. leader .. ',"previous":' .. leader
            .. ',"reason":"promoted"')
    end
    mu.save(session)
end

local function end_session(c, id)
    local seq = whole(call('HGET', c.prefix .. 'session:' .. id, '#seq') or nil)
    mu.close(c, { id = id, key = c.prefix .. 'session:' .. id, seq = seq or mu.now(c), term = 0 })
end

-- ---- records -------------------------------------------------------------------------------

local function member_parts(c, name)
    local id, connection = look.halves(name)
    local m = look.member(call('HGET', c.prefix .. 'session:' .. id, connection), connection)
    return id, connection, m, m and look.owner_of(c, m.instance, m.incarnation)
end

local function record_parts(c, name)
    local owner_name, connection = look.halves(name)
    local owner = look.owner_of(c, look.split_owner(owner_name))
    return owner, connection, c.prefix .. owner.records
end

local function list_session(c, name)
    local id, connection, _, owner = member_parts(c, name)
    local key = c.prefix .. owner.records
    local record = mu.parse_record(call('HGET', key, connection))
    if #record.sessions >= c.config.sessions_per_connection then
        leave(c, id, connection, 'kicked', DETAIL)
        return
    end
    record.sessions[#record.sessions + 1] = id
    call('HSET', key, connection, mu.format_record(record))
    mu.count_held(c, record)
end

local function unlist_sessions(c, name)
    local owner, connection, key = record_parts(c, name)
    local record = mu.parse_record(call('HGET', key, connection))
    local kept = {}
    for index = 1, #record.sessions do
        local text = call('HGET', c.prefix .. 'session:' .. record.sessions[index], connection)
        local m = text and look.member(text, connection)
        if text and (not m or (m.instance == owner.instance and m.incarnation == owner.incarnation)) then
            kept[#kept + 1] = record.sessions[index]
        end
    end
    record.sessions = kept
    local gone = not owner.live and #kept == 0
    if not gone then
        call('HSET', key, connection, mu.format_record(record))
    else
        call('HDEL', key, connection)
        mu.clear_deadline(c, record, { connection = connection, instance = owner.instance, incarnation = owner.incarnation })
    end
    mu.count_held(c, record, gone)
end

-- Present or away, as the record says.
local function agree_on_away(c, name)
    local id, connection, _, owner = member_parts(c, name)
    local record = mu.parse_record(call('HGET', c.prefix .. owner.records, connection))
    local session = mu.load_session(c, id, connection)
    local member = mu.member_of(session)
    if member.away then
        mu.apply_returns(c, mu.plan_returns(c, record, { { session = session, member = member } }))
    else
        mu.apply_away(c, mu.plan_away(c, session, member), record.until_at)
    end
end

-- ---- instances and ghosts ------------------------------------------------------------------

-- What can be believed stays; what cannot is what hurts least until the next sign of life.
local function mend_instance(c, id)
    local key = c.prefix .. 'instance:' .. id
    local all, f = call('HGETALL', key), {}
    for index = 1, #all, 2 do
        f[all[index]] = all[index + 1]
    end
    if not is_id(f.incarnation) then
        call('DEL', key, key .. ':alive')
        call('ZREM', c.prefix .. 'instances', id)
        return
    end
    local suspect = f.state ~= 'up' and f.state ~= 'suspect'
    local good = {
        incarnation = f.incarnation,
        state = suspect and 'suspect' or f.state,
        draining = f.draining == '1' and '1' or '0',
        started_at = whole(f.started_at) and f.started_at or int(mu.now(c)),
        secrets = f.secrets and (f.secrets == '0' and '0' or '1'),
        meta = f.meta and look.is_object(f.meta) and f.meta or nil,
    }
    for _, name in pairs(look.drain_wrong(f) and {} or mu.DRAIN_FIELDS) do
        good[name] = f[name]
    end
    for name in pairs(f) do
        if not good[name] then
            call('HDEL', key, name)
        end
    end
    for name, value in pairs(good) do
        call('HSET', key, name, value)
    end
    if suspect then
        mu.instance_event(c, 'suspect', id, f.incarnation, call('HLEN', key .. ':connections'))
    end
end

local function list_ghost(c, name)
    call('ZADD', c.prefix .. 'ghosts', 'NX', int(mu.now(c)), name)
    call('ZADD', c.prefix .. 'buried', 'NX', int(mu.now(c)), name)
end

-- Connections of an instance that is not registered: it is listed again if its incarnation is known
-- (and found silent, if it is); else the incarnation is read off a member, and it is buried.
local function place_connections(c, id)
    local key = c.prefix .. 'instance:' .. id
    if is_id(call('HGET', key, 'incarnation') or nil) then
        call('ZADD', c.prefix .. 'instances', int(mu.now(c)), id)
        return
    end
    local some = call('HRANDFIELD', key .. ':connections', '16', 'WITHVALUES')
    local incarnation
    for index = 1, #some, 2 do
        local record = look.record(some[index + 1])
        for position = 1, min(record and #record.sessions or 0, 4) do
            local text = call('HGET', c.prefix .. 'session:' .. record.sessions[position], some[index])
            local m = text and look.member(text, some[index])
            incarnation = incarnation or (m and m.instance == id and m.incarnation)
        end
    end
    local name = incarnation and id .. ':' .. incarnation
    local ghost = name and c.prefix .. 'ghosts:' .. name
    if not ghost or call('EXISTS', ghost, ghost .. ':leads') > 0 then
        call('UNLINK', key .. ':connections', key .. ':leads')
        return
    end
    call('RENAME', key .. ':connections', ghost)
    call('HSET', ghost, '#reason', 'instance-dead')
    if call('EXISTS', key .. ':leads') == 1 then
        call('RENAME', key .. ':leads', ghost .. ':leads')
    end
    call('DEL', key)
    list_ghost(c, name)
end

-- ---- by code -------------------------------------------------------------------------------

local MEND = {
    LEADER_NO_MEMBER = elect_instead,
    LEADER_NO_CANDIDATE = elect_instead,
    LEADER_NOT_ELIGIBLE = elect_instead,
    LEADER_WAITS = elect_instead,
    NO_LEADER_UNLISTED = elect_first,
    LEADERLESS_WAITS = elect_first,
    SESSION_EMPTY = end_session,
    COUNT_WRONG = recount,
    ANONYMOUS_WRONG = recount,
    USERS_WRONG = recount,
    SEQ_BAD = renumber,
    TERM_BAD = renumber,
    TERM_ABOVE_SEQ = renumber,
    BELOW_OPENING = renumber,
    GEN_BAD = renumber,
    RECORD_NOT_LISTING = list_session,
    RECORD_NO_MEMBER = unlist_sessions,
    AWAY_DIFFERS = agree_on_away,
    INSTANCE_MALFORMED = mend_instance,
    CONNECTIONS_UNLISTED = place_connections,
    GHOST_UNLISTED = list_ghost,
    GHOST_NOT_BURIED = list_ghost,
}
look.MEND, look.recounts = MEND, {}

function MEND.LEADERLESS_STALE(c, name, kind)
    local _, entry = match(name, '^([^/]*)/(.*)$')
    call('SREM', c.prefix .. 'leaderless', kind == 'entry' and entry or name)
end

function MEND.SESSION_GONE(c, id)
    call('ZREM', c.prefix .. 'sessions', id)
    mu.raise_clock(c, mu.now(c)) -- whatever it handed out
end

function MEND.SESSION_UNLISTED(c, id)
    local f = call('HMGET', c.prefix .. 'session:' .. id, '#seq', '#term')
    local opened = min(mu.now(c), whole(f[1] or nil) or mu.now(c), whole(f[2] or nil) or mu.now(c))
    call('ZADD', c.prefix .. 'sessions', int(opened), id)
end

function MEND.CANDIDATES_ORPHAN(c, id)
    call('UNLINK', c.prefix .. 'session:' .. id .. ':candidates')
end

function MEND.USERS_ORPHAN(c, id)
    call('UNLINK', c.prefix .. 'session:' .. id .. ':users')
end

function MEND.FIELD_UNKNOWN(c, id)
    local key = c.prefix .. 'session:' .. id
    local all = call('HGETALL', key)
    for index = 1, #all, 2 do
        if sub(all[index], 1, 1) == '#' and not look.KNOWN_FIELD[all[index]] then
            call('HDEL', key, all[index])
        end
    end
end

function MEND.FIELD_BAD(c, id)
    local key = c.prefix .. 'session:' .. id
    local f = call('HMGET', key, '#limit', '#meta', '#keep')
    if f[1] and not whole(f[1]) then
        call('HDEL', key, '#limit')
    end
    if f[2] and not look.is_object(f[2]) then
        call('HDEL', key, '#meta')
    end
    if f[3] and not find(f[3], '^[01]$') then
        call('HDEL', key, '#keep')
    end
end

function MEND.MEMBER_MALFORMED(c, name, kind)
    if kind == 'session' then
        return remove_all_unreadable(c, name)
    end
    return remove_unreadable(c, look.halves(name))
end

function MEND.MEMBER_NO_RECORD(c, name)
    local id, connection = look.halves(name)
    leave(c, id, connection, 'kicked', DETAIL)
end
MEND.USERS_DIFFER = MEND.MEMBER_NO_RECORD

function MEND.MEMBER_OF_NOBODY(c, name)
    local id, connection = look.halves(name)
    leave(c, id, connection, 'instance-dead', DETAIL)
end

function MEND.RECORD_MALFORMED(c, name)
    local owner, connection, key = record_parts(c, name)
    local was = call('HGET', key, connection)
    call('HDEL', key, connection)
    call('ZREM', c.prefix .. 'deadlines', mu.deadline_name(owner, connection))
    return was
end

function MEND.CANDIDATE_MISSING(c, name, kind)
    if kind == 'session' then
        return recount(c, name)
    end
    local id, _, m = member_parts(c, name)
    local key = c.prefix .. 'session:' .. id
    call('ZADD', key .. ':candidates', rank_of(m, whole(call('HGET', key, '#seq') or nil) or 1), m.candidate)
end
MEND.RANK_WRONG = MEND.CANDIDATE_MISSING

function MEND.CANDIDATE_STRAY(c, name, kind)
    if kind == 'session' then
        return recount(c, name)
    end
    local id, text = look.halves(name)
    call('ZREM', c.prefix .. 'session:' .. id .. ':candidates', text)
end

function MEND.LEADS_LACKS(c, id)
    local key = c.prefix .. 'session:' .. id
    local leader = call('HGET', key, '#leader')
    local m = look.member(call('HGET', key, leader), leader)
    call('SADD', c.prefix .. look.owner_of(c, m.instance, m.incarnation).leads, id)
end

function MEND.LEADS_STRAY(c, name)
    local owner_name, entry = look.halves(name)
    call('SREM', c.prefix .. look.owner_of(c, look.split_owner(owner_name)).leads, entry)
end
MEND.LEADS_ENTRY = MEND.LEADS_STRAY

-- An entry that cannot be one of its list's.
local function drop_entry(c, name)
    local container, text = look.halves(name)
    call('ZREM', c.prefix .. container, text)
end
MEND.SESSION_ENTRY, MEND.INSTANCE_ENTRY, MEND.GHOST_ENTRY = drop_entry, drop_entry, drop_entry
MEND.BURIED_ENTRY, MEND.DEADLINE_ENTRY = drop_entry, drop_entry

function MEND.DEADLINE_MISSING(c, name)
    local owner, connection, key = record_parts(c, name)
    local record = look.record(call('HGET', key, connection))
    call('ZADD', c.prefix .. 'deadlines', int(record.until_at or mu.now(c) + record.ttl),
        mu.deadline_name(owner, connection))
end

function MEND.INSTANCE_NO_HASH(c, id)
    call('ZREM', c.prefix .. 'instances', id)
end

function MEND.INSTANCE_TRACE(c, id)
    local key = c.prefix .. 'instance:' .. id
    call('UNLINK', key, key .. ':leads')
end

function MEND.ALIVE_TRACE(c, id)
    call('DEL', c.prefix .. 'instance:' .. id .. ':alive')
end

function MEND.INSTANCE_BURIED(c, id)
    local name = id .. ':' .. call('HGET', c.prefix .. 'instance:' .. id, 'incarnation')
    if call('EXISTS', c.prefix .. 'ghosts:' .. name) == 1 or call('ZSCORE', c.prefix .. 'ghosts', name) then
        fail('UNAVAILABLE', 'a ghost of the same name exists: stop this process, it must start with a new incarnation')
    end
    call('ZREM', c.prefix .. 'buried', name)
end

function MEND.GHOST_NO_HASH(c, name)
    call('ZREM', c.prefix .. 'ghosts', name)
    call('UNLINK', c.prefix .. 'ghosts:' .. name .. ':leads')
end

function MEND.GHOST_NO_REASON(c, name)
    call('HSET', c.prefix .. 'ghosts:' .. name, '#reason', 'instance-dead')
end

function MEND.GHOST_TRACE(c, name)
    call('UNLINK', c.prefix .. 'ghosts:' .. name .. ':leads')
end

function MEND.KEY_TYPE(c, name)
    call('UNLINK', c.prefix .. name)
end

function MEND.CLOCK_BAD(c)
    call('SET', c.prefix .. 'clock', int(mu.now(c)))
end

function MEND.LEASE_MALFORMED(c)
    call('DEL', c.prefix .. 'coordinator') -- a coordinator takes it anew
end
MEND.LEASE_FOREVER = MEND.LEASE_MALFORMED

function MEND.LEASE_AHEAD(c)
    local lease = call('GET', c.prefix .. 'coordinator')
    local number = whole(match(lease, '^[^/]*/[^/]*/([^/]*)/'))
    call('SET', c.prefix .. 'epoch', int(max(number, mu.now(c))))
end

function MEND.EPOCH_BAD(c)
    local lease = call('GET', c.prefix .. 'coordinator')
    local number = lease and whole(match(lease, '^[^/]*/[^/]*/([^/]*)/'))
    call('SET', c.prefix .. 'epoch', int(max(number or 0, mu.now(c))))
end

-- A recount of a large session, made outside over many pages: `<session>/<seq>/<gen>/<what>/<number>`.
-- Every change of its members moves #seq, so while that stands the recount is as true as one made now.
local function set_recount(c, code, name)
    local id, seq, gen, what, number = match(name, '^([^/]*)/([^/]*)/([^/]*)/([^/]*)/([^/]*)$')
    if not id or not whole(number) then
        fail('BAD_REQUEST', 'a recount is <session>/<seq>/<gen>/<user>/<number>')
    end
    local key = c.prefix .. 'session:' .. id
    local f = call('HMGET', key, '#seq', '#gen')
    if f[1] ~= seq or f[2] ~= gen then
        return false
    end
    if code == 'ANONYMOUS_WRONG' then
        call('HSET', key, '#anonymous', number)
    elseif code == 'USERS_WRONG' and is_id(what) then
        if number == '0' then
            call('HDEL', key .. ':users', what)
        else
            call('HSET', key .. ':users', what, number)
        end
    else
        fail('BAD_REQUEST', 'nothing of a recount is mended by ' .. quote(code))
    end
    return true
end

local function still_so(c, code, kind, name)
    local r = look.report(c, 4096)
    look.at(r, kind, name, '0')
    for index = 1, #r.findings do
        local f = r.findings[index]
        if f.code == code and f.kind == kind and f.name == name then
            return true
        end
    end
    return false
end

mu.define('repair', {
    least = 4,
    most = 4,
    usage = 'epoch|- code kind name',
    flags = { 'allow-oom' },
    body = function(c, args)
        local code, kind, name = args[2], args[3], look.unescape(args[4])
        if args[1] ~= '-' then
            mu.fence(c, args[1])
        end
        local so, was
        if kind == 'recount' then
            so = (look.recounts[code] or set_recount)(c, code, name)
        else
            so = still_so(c, code, kind, name)
            if so and not MEND[code] then
                fail('BAD_REQUEST', 'what ' .. quote(code) .. ' says cannot be mended by a function')
            end
            if so then
                c.looks = ELECTION_LOOKS
                was = MEND[code](c, name, kind)
            end
        end
        return '{"mended":' .. (so and 'true' or 'false')
            .. (type(was) == 'string' and ',"was":' .. encode(look.escape(sub(was, 1, 1024))) or '') .. '}'
    end,
})
