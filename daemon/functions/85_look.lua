-- muster_look: reads one thing, or one page of a walk over many, and says what breaks an invariant
-- of model.md. It writes nothing and trusts nothing: members and records are read by rules of its
-- own, not by those of the functions that wrote them.
--
-- One call sees one moment and costs at most about `budget` memberships. What did not fit, and what
-- must be looked at besides, is named in `rest`: the caller asks for each of it. A session of more
-- than WHOLE fields is never read in one call: its numbers are compared with HLEN, its members and
-- candidates one by one (each is right or wrong by itself), in pages; only the recount of its users
-- needs all of them, and is the caller's (`recount` in `rest`).
--
-- A finding is [code, kind, name, key, what, stamp]: `kind` and `name` are what to ask for to see it
-- again, `stamp` moves while somebody is already mending it.

local quote, int = mu.quote, mu.int

local WHOLE = 128
local SAMPLES = 3 -- so many of a kind are named in one look at a session, then counted
local FINDINGS_MAX = 512 -- in one answer; a page that has as many leaves its rest for later

local look = { WHOLE = WHOLE, FINDINGS_MAX = FINDINGS_MAX }
mu.look = look

-- ---- texts ---------------------------------------------------------------------------------

-- A name is one word of printable bytes; what else an entry may hold is escaped.
function look.escape(text)
    return (gsub(text, '[^\33-\36\38-\126]', function(byte)
        return format('%%%02X', string.byte(byte))
    end))
end

function look.unescape(text)
    return (gsub(text, '%%(%x%x)', function(hex)
        return string.char(tonumber(hex, 16))
    end))
end

local function is_id(text)
    return text and #text >= 1 and #text <= ID_MAX and not find(text, '[^%w%._~@|+=%-]')
end
look.is_id = is_id

-- A whole number below 2^53, or nil.
local function whole(text)
    if not text or #text > 16 or not find(text, '^%d+$') then
        return nil
    end
    local number = tonumber(text)
    return number < 9007199254740992 and number or nil
end
look.whole = whole

local function is_object(text)
    return pcall(mu.check_json, text, 'json', 1048576)
end
look.is_object = is_object

local MEMBER = '^{"connection":"([^"]*)","instance":"([^"]*)","incarnation":"([^"]*)"(.-)'
    .. ',"joined_at":(%d+)(.-),"profile":(%s*{.*}%s*)}$'

-- The member, or nil and what is wrong with it.
function look.member(text, connection)
    local m = {}
    local user, options, profile
    m.connection, m.instance, m.incarnation, user, m.joined_at, options, profile = match(text, MEMBER)
    if not m.connection then
        return nil, 'it has not the parts of a member'
    end
    if m.connection ~= connection then
        return nil, 'it names another connection than its field'
    end
    if not (is_id(m.connection) and is_id(m.instance) and is_id(m.incarnation)) then
        return nil, 'its connection, instance or incarnation is no id'
    end
    if user ~= '' then
        m.user = match(user, '^,"user":"([^"]*)"$')
        if not is_id(m.user) then
            return nil, 'its user is no id, or something unknown stands there'
        end
    end
    local priority, rest = match(options, '^,"priority":(%-?%d+)(.*)$')
    m.priority = tonumber(priority or '0')
    if m.priority < -PRIORITY_MAX or m.priority > PRIORITY_MAX then
        return nil, 'its priority is no whole number from -1023 to 1023'
    end
    options = rest or options
    rest = match(options, '^,"lead":false(.*)$')
    m.leads_never, options = rest ~= nil, rest or options
    rest = match(options, '^,"away":true(.*)$')
    m.away, options = rest ~= nil, rest or options
    m.rank, rest = match(options, '^,"rank":(%d+)(.*)$')
    options = rest or options
    if options ~= '' then
        return nil, 'something unknown stands before its profile'
    end
    if m.away and not m.leads_never and not whole(m.rank) then
        return nil, 'it is away and keeps no rank'
    end
    if not whole(m.joined_at) then
        return nil, 'its joined_at is no number'
    end
    if not is_object(profile) then
        return nil, 'its profile is no strict JSON object'
    end
    m.may_lead = not m.leads_never and not m.away
    m.candidate = connection .. '/' .. m.instance .. '/' .. m.incarnation
    return m
end

local RECORD = '^(%d*)/([^/]*)/([^/]*)/([^/]*)/([^/]*)/([^/]*)/([^/]*)/(.*)$'

-- The record, or nil and what is wrong with it.
function look.record(text)
    local r = {}
    local connected_at, user, ttl, until_at, _, sessions, profile
    connected_at, user, ttl, until_at, _, _, sessions, profile = match(text, RECORD)
    if not connected_at then
        return nil, 'it has not its eight parts'
    end
    if not whole(connected_at) then
        return nil, 'connected_at is no number'
    end
    if find(user, ':', 1, true) then
        user, r.moved, r.holder = match(user, '^([^:]*):(:?)([^:]*)$')
        if not is_id(r.holder) then
            return nil, 'its holder is no id'
        end
    end
    r.user = user
    if r.user ~= '' and not is_id(r.user) then
        return nil, 'its user is no id'
    end
    if (ttl ~= '' and not whole(ttl)) or (until_at ~= '' and not whole(until_at)) then
        return nil, 'its ttl or its until is no number'
    end
    r.ttl, r.until_at = whole(ttl), whole(until_at)
    r.sessions = {}
    for session in gmatch(sessions, '[^,]+') do
        if not is_id(session) then
            return nil, 'its list of sessions holds something that is no id'
        end
        r.sessions[#r.sessions + 1] = session
    end
    if concat(r.sessions, ',') ~= sessions then
        return nil, 'its list of sessions has an empty place'
    end
    if not is_object(profile) then
        return nil, 'its profile is no strict JSON object'
    end
    r.user = r.user ~= '' and r.user or nil
    r.listed = ',' .. sessions .. ','
    return r
end

-- ---- the report ----------------------------------------------------------------------------

function look.report(c, budget)
    return {
        c = c, budget = budget, given = budget, looked = 0, checked = { 0, 0, 0, 0, 0, 0, 0, 0, 0 },
        findings = {}, rest = {},
    }
end

local function found(r, code, key, what, stamp)
    r.findings[#r.findings + 1] = { code = code, kind = r.kind, name = r.name, key = key, what = what, stamp = stamp or 0 }
end
look.found = found

function look.later(r, kind, name)
    r.rest[#r.rest + 1] = '["' .. kind .. '",' .. encode(look.escape(name)) .. ']'
end

function look.answer(r, cursor)
    local findings = {}
    for index = 1, min(#r.findings, FINDINGS_MAX) do
        local f = r.findings[index]
        findings[index] = '["' .. f.code .. '","' .. f.kind .. '",' .. encode(look.escape(f.name)) .. ','
            .. encode(look.escape(f.key)) .. ',' .. encode((gsub(f.what, '[^\32-\126]', '?'))) .. ',' .. int(f.stamp) .. ']'
    end
    return '{"cursor":"' .. cursor .. '","looked":' .. int(r.looked) .. ',"checked":[' .. concat(r.checked, ',')
        .. '],"findings":[' .. concat(findings, ',') .. '],"rest":[' .. concat(r.rest, ',') .. ']}'
end

local function count(r, invariant, number)
    r.checked[invariant] = r.checked[invariant] + (number or 1)
end
look.count = count

-- What this moment knows of an incarnation; its keys.
local function owner_of(c, instance, incarnation)
    local name = instance .. ':' .. incarnation
    local owners = c.owners or {}
    c.owners = owners
    local owner = owners[name]
    if not owner then
        local known = mu.instance(c, instance)
        local live = known and known.incarnation == incarnation or false
        owner = { name = name, instance = instance, incarnation = incarnation, live = live }
        owner.eligible = live and known.eligible or false
        owner.ghost = not live and (call('ZSCORE', c.prefix .. 'ghosts', name)
            or call('EXISTS', c.prefix .. 'ghosts:' .. name) == 1) and true or false
        owner.records = live and 'instance:' .. instance .. ':connections' or 'ghosts:' .. name
        owner.leads = live and 'instance:' .. instance .. ':leads' or 'ghosts:' .. name .. ':leads'
        owner.is = live and 'suspect or draining' or owner.ghost and 'a ghost' or 'gone'
        owners[name] = owner
    end
    return owner
end
look.owner_of = owner_of

-- ---- members and candidates, one by one ----------------------------------------------------

-- 3 and 8: the member's record stands with its owner and lists the session.
local function member_record(r, id, m)
    local c = r.c
    local owner = owner_of(c, m.instance, m.incarnation)
    local key = 'session:' .. id
    count(r, 3)
    if not owner.live and not owner.ghost then
        found(r, 'MEMBER_OF_NOBODY', key, "member '" .. m.connection .. "' belongs to " .. owner.name
            .. ', which is neither registered nor a ghost')
        return
    end
    local text = call('HGET', c.prefix .. owner.records, m.connection)
    if not text then
        found(r, 'MEMBER_NO_RECORD', key, "member '" .. m.connection .. "' of " .. owner.name .. ' has no record')
        return
    end
    local record = look.record(text)
    if not record then
        return -- a finding of the record
    end
    if not find(record.listed, ',' .. id .. ',', 1, true) then
        found(r, 'RECORD_NOT_LISTING', owner.records, "the record of '" .. m.connection .. "' does not list session '" .. id
            .. "', of which it is a member")
    elseif record.user ~= m.user then
        found(r, 'USERS_DIFFER', key, "member '" .. m.connection .. "' has user " .. quote(m.user or '')
            .. ', its record has ' .. quote(record.user or ''))
    elseif m.away ~= (record.until_at ~= nil) then
        found(r, 'AWAY_DIFFERS', key, "member '" .. m.connection .. "' is " .. (m.away and 'away' or 'present')
            .. ', its record says otherwise')
    end
end

local function rank_wrong(m, rank, seq)
    local joined = rank % RANK_STEP
    return rank ~= floor(rank) or floor(rank / RANK_STEP) ~= PRIORITY_MAX - m.priority or joined < 1
        or (seq and joined > seq)
end
look.rank_wrong = rank_wrong

local function rank_text(m, rank, seq)
    return "'" .. m.candidate .. format("' has rank %.17g: not of priority %d and a seq up to %.0f", rank, m.priority, seq or 0)
end

-- A member of a large session: what a recount of all would say of it.
function look.one_member(r, id, seq, connection, text)
    local m, wrong = look.member(text, connection)
    local key = 'session:' .. id
    if not m then
        count(r, 3)
        found(r, 'MEMBER_MALFORMED', key, 'member ' .. quote(connection) .. ' cannot be read: ' .. wrong)
        return
    end
    member_record(r, id, m)
    if m.may_lead then
        local rank = call('ZSCORE', r.c.prefix .. key .. ':candidates', m.candidate)
        if not rank then
            found(r, 'CANDIDATE_MISSING', key .. ':candidates', "lacks '" .. m.candidate .. "', who may lead")
        elseif rank_wrong(m, tonumber(rank), seq) then
            found(r, 'RANK_WRONG', key .. ':candidates', rank_text(m, tonumber(rank), seq))
        end
    end
end

function look.one_candidate(r, id, name)
    local key = 'session:' .. id
    local connection = match(name, '^([^/]*)/')
    local text = connection and call('HGET', r.c.prefix .. key, connection)
    local m = text and look.member(text, connection)
    if text and not m then
        return -- a finding of the member
    end
    if not (m and m.may_lead and m.candidate == name) then
        found(r, 'CANDIDATE_STRAY', key .. ':candidates', 'holds ' .. quote(name) .. ', which is no member that may lead')
    end
end

-- ---- one session ---------------------------------------------------------------------------

local FIELDS = { '#seq', '#leader', '#term', '#count', '#anonymous', '#gen', '#limit', '#keep', '#meta' }
local KNOWN_FIELD = {}
look.KNOWN_FIELD = KNOWN_FIELD
for index = 1, #FIELDS do
    KNOWN_FIELD[FIELDS[index]] = true
end

local function absent_session(r, s)
    local prefix = r.c.prefix
    if s.opened then
        found(r, 'SESSION_GONE', 'sessions', "lists '" .. s.id .. "', which does not exist")
    end
    if call('EXISTS', prefix .. s.key .. ':candidates') == 1 then
        found(r, 'CANDIDATES_ORPHAN', s.key .. ':candidates', 'belongs to a session that does not exist')
    end
    if call('EXISTS', prefix .. s.key .. ':users') == 1 then
        found(r, 'USERS_ORPHAN', s.key .. ':users', 'belongs to a session that does not exist')
    end
    if s.leaderless then
        found(r, 'LEADERLESS_STALE', 'leaderless', "lists '" .. s.id .. "', which does not exist")
    end
end

-- 2 and 7, and what else stands in the session's own fields.
local function own_fields(r, s)
    local f = s.fields
    if not s.opened then
        found(r, 'SESSION_UNLISTED', s.key, 'exists but is not in sessions')
    end
    if s.members == 0 and f['#keep'] ~= '1' then
        found(r, 'SESSION_EMPTY', s.key, 'exists without a member and without #keep')
    end
    count(r, 7)
    s.seq, s.term = whole(f['#seq']), whole(f['#term'])
    if not s.seq then
        found(r, 'SEQ_BAD', s.key, '#seq is ' .. quote(f['#seq'] or '') .. ', no whole number below 2^53')
    end
    if not s.term then
        found(r, 'TERM_BAD', s.key, '#term is ' .. quote(f['#term'] or '') .. ', no whole number below 2^53')
    end
    if s.seq and s.term and s.term > s.seq then
        found(r, 'TERM_ABOVE_SEQ', s.key, format('#term %.0f is above #seq %.0f', s.term, s.seq))
    end
    if s.opened and ((s.seq and s.seq < s.opened) or (s.term and s.term < s.opened)) then
        found(r, 'BELOW_OPENING', s.key, format('#seq %.0f or #term %.0f is below its opening at %.0f', s.seq or 0,
            s.term or 0, s.opened))
    end
    if not is_id(f['#gen']) then
        found(r, 'GEN_BAD', s.key, '#gen is ' .. quote(f['#gen'] or '') .. ', no generation')
    end
    if (f['#limit'] and not whole(f['#limit'])) or (f['#meta'] and not is_object(f['#meta']))
        or (f['#keep'] and not find(f['#keep'], '^[01]$')) then
        found(r, 'FIELD_BAD', s.key, '#limit, #meta or #keep holds what it may not')
    end
    if whole(f['#count']) ~= s.members then
        found(r, 'COUNT_WRONG', s.key, '#count is ' .. quote(f['#count'] or '') .. format(', the recount is %d', s.members))
    end
end

-- 1 and 6, when somebody leads.
local function led(r, s)
    local c, leader = r.c, s.fields['#leader']
    local stamp = s.term or 0
    if s.leaderless then
        found(r, 'LEADERLESS_STALE', s.key, 'is in leaderless though ' .. quote(leader) .. ' leads', stamp)
    end
    local text = call('HGET', c.prefix .. s.key, leader)
    if not text or sub(leader, 1, 1) == '#' then
        found(r, 'LEADER_NO_MEMBER', s.key, 'is led by ' .. quote(leader) .. ', who is no member', stamp)
        return
    end
    local m = look.member(text, leader)
    if not m then
        return
    end
    if not m.may_lead then
        found(r, 'LEADER_NO_CANDIDATE', s.key, "is led by '" .. leader .. "', who " .. (m.away and 'is away' or 'never leads'),
            stamp)
        return
    end
    local owner = owner_of(c, m.instance, m.incarnation)
    local in_leads = (owner.live or owner.ghost) and call('SISMEMBER', c.prefix .. owner.leads, s.id) == 1
    count(r, 6)
    if not owner.eligible then
        local who = "is led by '" .. leader .. "' of " .. owner.name .. ', which is ' .. owner.is
        if in_leads then
            found(r, 'LEADER_WAITS', s.key, who .. ', and nobody moves it', stamp)
        else
            found(r, 'LEADER_NOT_ELIGIBLE', s.key, who .. ', and is in no leads from which it would be moved', stamp)
        end
    end
    if not in_leads and (owner.live or owner.ghost) then
        found(r, 'LEADS_LACKS', owner.leads, "lacks session '" .. s.id .. "', which '" .. leader .. "' leads")
    end
end

-- 1, when nobody leads. No more candidates are looked at than by one election.
local function unled(r, s)
    local c, key = r.c, r.c.prefix .. s.key .. ':candidates'
    local candidates = call('ZCARD', key)
    if candidates == 0 then
        if s.leaderless then
            found(r, 'LEADERLESS_STALE', s.key, 'is in leaderless without a member that may lead', s.term)
        end
        return
    end
    c.looks = ELECTION_LOOKS
    local chosen = mu.choose(c, { key = c.prefix .. s.key })
    if not s.leaderless then
        found(r, 'NO_LEADER_UNLISTED', s.key, 'has candidates' .. (chosen and ', among them the eligible '
            .. quote(chosen.connection) or '') .. ', no leader, and is not in leaderless', s.term)
    elseif chosen then
        found(r, 'LEADERLESS_WAITS', s.key, 'has no leader though ' .. quote(chosen.connection)
            .. ' is eligible, and nobody elects', s.term)
    end
end

local function sample(r, counts, code, key, what)
    counts[code] = (counts[code] or 0) + 1
    if counts[code] <= SAMPLES then
        found(r, code, key, what)
    end
end

local function recount_users(r, s, tally, counts)
    local stored, key = call('HGETALL', r.c.prefix .. s.key .. ':users'), s.key .. ':users'
    for index = 1, #stored, 2 do
        local user, there = stored[index], tally[stored[index]] or 0
        if whole(stored[index + 1]) ~= there or there == 0 then
            sample(r, counts, 'USERS_WRONG', key, 'user ' .. quote(user) .. format(' has %d connections here, stored is ', there)
                .. quote(stored[index + 1]))
        end
        tally[user] = nil
    end
    for user, there in pairs(tally) do
        sample(r, counts, 'USERS_WRONG', key, 'user ' .. quote(user) .. format(" has %d connections here, stored is ''", there))
    end
end

local function recount_candidates(r, s, expected, counts)
    local key = s.key .. ':candidates'
    local stored = call('ZRANGE', r.c.prefix .. key, '0', '-1', 'WITHSCORES')
    for index = 1, #stored, 2 do
        local m, rank = expected[stored[index]], tonumber(stored[index + 1])
        if not m then
            sample(r, counts, 'CANDIDATE_STRAY', key, 'holds ' .. quote(stored[index]) .. ', which is no member that may lead')
        elseif rank_wrong(m, rank, s.seq) then
            sample(r, counts, 'RANK_WRONG', key, rank_text(m, rank, s.seq))
        end
        expected[stored[index]] = nil
    end
    for name in pairs(expected) do
        sample(r, counts, 'CANDIDATE_MISSING', key, "lacks '" .. name .. "', who may lead")
    end
end

-- 3 and 5 of a session that is read whole.
local function recount(r, s, members)
    local counts, tally, expected, anonymous, readable = {}, {}, {}, 0, true
    local inline = #members <= r.budget
    for index = 1, #members do
        local connection = members[index][1]
        local m, wrong = look.member(members[index][2], connection)
        if not m then
            readable = false
            count(r, 3)
            sample(r, counts, 'MEMBER_MALFORMED', s.key, 'member ' .. quote(connection) .. ' cannot be read: ' .. wrong)
        else
            if m.user then
                tally[m.user] = (tally[m.user] or 0) + 1
            else
                anonymous = anonymous + 1
            end
            if m.may_lead then
                expected[m.candidate] = m
            end
            if inline then
                r.kind, r.name = 'member', s.id .. '/' .. connection
                member_record(r, s.id, m)
                r.kind, r.name = 'session', s.id
            end
        end
    end
    count(r, 5)
    r.budget = r.budget - #members
    if not inline then
        look.later(r, 'members', s.id)
    end
    if readable then -- else said already; the rest would only repeat it
        if whole(s.fields['#anonymous']) ~= anonymous then
            found(r, 'ANONYMOUS_WRONG', s.key, '#anonymous is ' .. quote(s.fields['#anonymous'] or '')
                .. format(', the recount is %d', anonymous))
        end
        recount_users(r, s, tally, counts)
        recount_candidates(r, s, expected, counts)
    end
end

function look.session(r, id)
    local c = r.c
    local s = { id = id, key = 'session:' .. id, fields = {}, members = 0 }
    r.kind, r.name = 'session', id
    local key = c.prefix .. s.key
    s.opened = tonumber(call('ZSCORE', c.prefix .. 'sessions', id) or nil)
    s.leaderless = call('SISMEMBER', c.prefix .. 'leaderless', id) == 1
    local size = call('HLEN', key)
    count(r, 2)
    if size == 0 then
        absent_session(r, s)
        return
    end
    local members, unknown = {}, nil
    if size <= WHOLE then
        local all = call('HGETALL', key)
        for index = 1, #all, 2 do
            if sub(all[index], 1, 1) ~= '#' then
                members[#members + 1] = { all[index], all[index + 1] }
            elseif KNOWN_FIELD[all[index]] then
                s.fields[all[index]] = all[index + 1]
            else
                unknown = all[index]
            end
        end
        s.members = #members
    else
        local values = mu.session_fields(key, '#meta') -- in the order of FIELDS
        s.members = size
        for index = 1, #FIELDS do
            if values[index] then
                s.fields[FIELDS[index]] = values[index]
                s.members = s.members - 1
            end
        end
    end
    own_fields(r, s)
    if unknown then
        found(r, 'FIELD_UNKNOWN', s.key, 'has a field ' .. quote(unknown) .. ' that means nothing')
    end
    count(r, 1)
    if s.fields['#leader'] and s.fields['#leader'] ~= '' then
        led(r, s)
    else
        unled(r, s)
    end
    if size <= WHOLE then
        recount(r, s, members)
    else
        look.later(r, 'members', id)
        look.later(r, 'candidates', id)
        look.later(r, 'recount', id)
    end
end
