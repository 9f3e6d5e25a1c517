-- `journal`: a bounded stream of what happened without having been asked for by whom it happened
-- to: verdicts, ends of connections, changes of leader by decision. For people (musterctl explain);
-- nothing reads it to decide.
--
-- What everybody does for himself (ENTER, JOIN, LEAVE, UNREGISTER, HEARTBEAT, and the elections that
-- follow) writes nothing: what is not here was done by the client, or is older than the first entry.
-- Adoption writes nothing either: after a loss of data every connection is adopted, and that would
-- push everything else out.
--
-- Notes are gathered during a call and written at its end, by the frame. Writing must not fail: the
-- function has written by then. A journal that cannot be written is not written.

local int = mu.int

local ENTRY_BYTES = 1900 -- a longer list goes on in the next entry
local VOLUNTARY = { first = true, left = true, unregistered = true, exclusive = true }

local function add(c, note)
    local notes = c.notes or { open = {} }
    c.notes = notes
    notes[#notes + 1] = note
    return notes
end

-- An entry of its own. `body`: JSON without its braces, beginning with the event.
function mu.note(c, body)
    add(c, { head = body, size = #body })
end

-- One of a list that ends the entry: those with the same `head` stand together.
local function note_item(c, head, name, item)
    local note = c.notes and c.notes.open[head]
    if not note or note.size + #item > ENTRY_BYTES then
        note = { head = head, name = name, size = #head }
        add(c, note).open[head] = note
    end
    note[#note + 1] = item
    note.size = note.size + #item + 1
end

-- A membership that ended; `session` nil: the connection was in none. `by`: who took its place.
function mu.note_left(c, who, session, reason, detail, by)
    if VOLUNTARY[reason] then
        return
    end
    note_item(c, '"event":"member.left","reason":"' .. reason .. '","owner":"' .. who.instance .. ':' .. who.incarnation
        .. '"' .. (detail and ',"detail":' .. detail or '') .. (by and ',"by":"' .. by .. '"' or ''), 'members',
        '["' .. who.connection .. (session and '","' .. session .. '"]' or '"]'))
end

local AT_ONCE_BYTES = 1200

-- The same of many connections of one owner that left one session.
function mu.note_many_left(c, owner, connections, session, reason)
    local head = '"event":"member.left","reason":"' .. reason .. '","owner":"' .. owner.instance .. ':'
        .. owner.incarnation .. '"'
    local tail = '","' .. session .. '"]'
    local between, count = tail .. ',["', #connections
    local most = floor(AT_ONCE_BYTES / (#between + ID_MAX))
    for from = 1, count, most do
        note_item(c, head, 'members',
            '["' .. concat(connections, between, from, min(from + most - 1, count)) .. tail)
    end
end

-- `from` and `to`: members, or nil.
function mu.note_leader(c, session, previous, from, to, reason)
    if VOLUNTARY[reason] then
        return
    end
    note_item(c, '"event":"leader.changed","reason":"' .. reason .. '"'
        .. (from and ',"owner":"' .. from.instance .. ':' .. from.incarnation .. '"' or ''), 'sessions',
        '["' .. session.id .. '",' .. mu.id_or_null(previous) .. ',' .. mu.id_or_null(session.leader) .. ','
        .. int(session.term) .. (to and ',"' .. to.instance .. ':' .. to.incarnation .. '"]' or ',null]'))
end

-- `who` took the place of `old` in `sessions`.
function mu.note_resumed(c, who, old, sessions)
    local head = '"event":"connection.resumed","connection":"' .. who.connection .. '","owner":"' .. who.instance .. ':'
        .. who.incarnation .. '","old":"' .. old.connection .. '","old_owner":"' .. old.instance .. ':'
        .. old.incarnation .. '"'
    if #sessions == 0 then
        mu.note(c, head)
    end
    for index = 1, #sessions do
        note_item(c, head, 'sessions', '"' .. sessions[index] .. '"')
    end
end

-- How many entries are kept. Of no namespace that was never set up, and of no older one: 0.
local function kept(c)
    if c.config then
        return c.config.journal
    end
    return tonumber(call('HGET', c.prefix .. 'config', 'journal') or '0')
end

local function write(c, notes)
    local most = kept(c)
    if most < 1 then
        return
    end
    local at = '{"at":' .. int(mu.now(c)) .. ','
    for index = 1, #notes do
        local note = notes[index]
        local list = note.name and ',"' .. note.name .. '":[' .. concat(note, ',') .. ']' or ''
        call('XADD', c.prefix .. 'journal', 'MAXLEN', '~', int(most), '*', 'entry', at .. note.head .. list .. '}')
    end
end

-- What was noted in this call. Never fails: rule 1 of the model.
function mu.write_notes(c)
    local notes = c.notes
    c.notes = false
    pcall(write, c, notes)
end
