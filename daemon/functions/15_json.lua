-- The strict JSON check: RFC 8259, valid UTF-8, an object, at most 32 deep. Nothing is decoded:
-- profiles and metas are stored and delivered byte for byte.
--
-- A text is reduced to a skeleton: every string becomes \1, every number and literal \2, an
-- invalid one \3. The text may not hold those bytes itself (the first scan excludes them), so a
-- skeleton cannot be forged. Applications send few shapes, so skeletons found good are remembered.

local fail = mu.fail

local good = {}
local good_count = 0
local GOOD_MAX = 1024

local function scalar(token)
    if token == 'true' or token == 'false' or token == 'null' then
        return '\2'
    end
    local rest = match(token, '^%-?0(.*)$') or match(token, '^%-?[1-9]%d*(.*)$')
    if not rest then
        return '\3'
    end
    rest = match(rest, '^%.%d+(.*)$') or rest
    if rest == '' or find(rest, '^[eE][+-]?%d+$') then
        return '\2'
    end
    return '\3'
end

-- One escape and what may belong to it. A lone surrogate is refused: half of the world's parsers
-- refuse it, too. `x` stands for a character without meaning of its own.
local function escape(kind, hex)
    if kind == 'u' then
        if #hex < 4 then
            return '\3'
        end
        return 'x'
    end
    if find(kind, '["\\/bfnrt]') then
        return 'x' .. hex
    end
    return '\3'
end

local function surrogates_paired(text)
    local rest = gsub(text, '\\\\', 'xx')
    rest = gsub(rest, '\\u[dD][89aAbB]%x%x\\u[dD][c-fC-F]%x%x', 'x')
    return not find(rest, '\\u[dD][89a-fA-F]%x%x')
end

-- Replaced by plain characters, not removed: removal could join stray bytes to a valid sequence.
local function reduce_utf8(text)
    text = gsub(text, '[\194-\223][\128-\191]', 'x')
    text = gsub(text, '\224[\160-\191][\128-\191]', 'x')
    text = gsub(text, '[\225-\236\238\239][\128-\191][\128-\191]', 'x')
    text = gsub(text, '\237[\128-\159][\128-\191]', 'x')
    text = gsub(text, '\240[\144-\191][\128-\191][\128-\191]', 'x')
    text = gsub(text, '[\241-\243][\128-\191][\128-\191][\128-\191]', 'x')
    text = gsub(text, '\244[\128-\143][\128-\191][\128-\191]', 'x')
    return text
end

function mu.utf8_valid(text)
    return not find(text, '[\128-\255]') or not find(reduce_utf8(text), '[\128-\255]')
end

-- Does the skeleton (without white space) follow the grammar of one object?
-- Returns nil, or what is wrong.
local function parse(skeleton)
    local depth, stack = 0, {}
    -- expect: 'value', 'first' (value or end of array), 'key', 'firstkey' (key or end of object),
    -- 'colon', 'next' (comma or end)
    local expect = 'value'
    for position = 1, #skeleton do
        local byte = sub(skeleton, position, position)
        if (byte == '{' or byte == '[') and (expect == 'value' or expect == 'first') then
            depth = depth + 1
            if depth > JSON_DEPTH_MAX then
                return 'is nested more than 32 deep'
            end
            stack[depth] = byte
            expect = byte == '{' and 'firstkey' or 'first'
        elseif byte == '\1' and (expect == 'key' or expect == 'firstkey') then
            expect = 'colon'
        elseif byte == ':' and expect == 'colon' then
            expect = 'value'
        elseif (byte == '\1' or byte == '\2') and (expect == 'value' or expect == 'first') and depth > 0 then
            expect = 'next'
        elseif byte == ',' and expect == 'next' and depth > 0 then
            expect = stack[depth] == '{' and 'key' or 'value'
        elseif byte == '}' and depth > 0 and stack[depth] == '{' and (expect == 'next' or expect == 'firstkey') then
            depth = depth - 1
            expect = 'next'
        elseif byte == ']' and depth > 0 and stack[depth] == '[' and (expect == 'next' or expect == 'first') then
            depth = depth - 1
            expect = 'next'
        else
            return 'is not valid JSON'
        end
    end
    if depth > 0 or expect ~= 'next' then
        return 'is not valid JSON (it ends too early)'
    end
    return nil
end

local function wrong_with(text)
    local strings = '"[^"]*"'
    -- Anything but printable ASCII without the backslash takes the slow way.
    if not find(text, '^[_-~\32-Z%[%]%^]*$') then
        -- A control byte inside a string leaves its quotes in the skeleton, which is then refused.
        strings = '"[^"%c]*"'
        if find(text, '[%z\1-\8\11\12\14-\31]') then
            return 'holds a raw control byte'
        end
        if find(text, '\\u[dD][89a-fA-F]') and not surrogates_paired(text) then
            return 'holds half of a surrogate pair'
        end
        text = gsub(reduce_utf8(text), '\127', 'x')
        if find(text, '[\128-\255]') then
            return 'is not valid UTF-8'
        end
        text = gsub(text, '\\(.)(%x?%x?%x?%x?)', escape)
        if find(text, '\\') then
            return 'is not valid JSON (a backslash at the end)'
        end
    end
    local skeleton = gsub(text, strings, '\1')
    -- Runs of digits are all the same to the grammar, but for a leading zero: fewer shapes.
    if find(skeleton, '%d') then
        skeleton = gsub(skeleton, '[1-9]%d*', '1')
    end
    if good[skeleton] then
        return nil
    end
    local shape = skeleton
    if find(skeleton, '[%w%.+%-]') then
        skeleton = gsub(skeleton, '[%w%.+%-]+', scalar)
    end
    local tight = gsub(skeleton, '[ \t\r\n]+', '')
    if sub(tight, 1, 1) ~= '{' then
        return 'is not a JSON object'
    end
    local wrong = parse(tight)
    if not wrong and #shape <= 256 then
        if good_count >= GOOD_MAX then
            good, good_count = {}, 0
        end
        good[shape] = true
        good_count = good_count + 1
    end
    return wrong
end

-- The quick check. A text has a shape: every string of plain characters is "", every run of digits is 1. That
-- is the same to the grammar as the text, and what is no plain string stays as it is, so one shape stands for
-- good texts only, or for bad ones only. The last shapes found good are kept as patterns: a text of
-- such a shape is looked at once, and nothing is built of it.
local STRING, DIGITS = '"[]-~#-[ !]*"', '[1-9]%d*'
local recent, RECENT_MAX = {}, 3

local function pattern_of(shape)
    local pattern = gsub(shape, '[%]%[%-%+%.]', '%%%0')
    pattern = gsub(pattern, '1', '[1-9]%%d*')
    return '^' .. gsub(pattern, '""', STRING) .. '$'
end

-- Is it a strict JSON object? Says not what is wrong.
local function fits(text)
    for index = 1, #recent do
        if find(text, recent[index]) then
            if index > 1 then
                recent[index - 1], recent[index] = recent[index], recent[index - 1]
            end
            return true
        end
    end
    if wrong_with(text) then
        return false
    end
    local shape = gsub(gsub(text, STRING, '""'), DIGITS, '1')
    if #shape <= 256 and not find(shape, '[^"{}%[%],:%w%.+%- ]') then
        recent[min(#recent + 1, RECENT_MAX)] = pattern_of(shape)
    end
    return true
end
mu.json_fits = fits

-- `text` must be one strict JSON object of at most `limit` bytes.
function mu.check_json(text, what, limit)
    if #text > limit then
        fail('TOO_LARGE', format('%s has %.0f bytes, at most %.0f are allowed', what, #text, limit))
    end
    if not fits(text) then
        fail('BAD_JSON', what .. ' ' .. wrong_with(text))
    end
end
