-- The brake as everybody sees it: a key for readers, events for listeners. Fenced. The decision is
-- the coordinator's (daemon/coordinator/brake.h).

local fail, int, quote = mu.fail, mu.int, mu.quote

local REASONS = { ['hold'] = true, ['by-hand'] = true, ['coordinator-changed'] = true }

local function tell(c, event, rest)
    call('PUBLISH', c.prefix .. 'events:coordinator', '{"event":"' .. event .. '","at":' .. int(mu.now(c)) .. rest .. '}')
end

local function change(c, event, rest)
    tell(c, event, rest)
    mu.note(c, '"event":"' .. event .. '"' .. rest)
end

-- Engaged: again and again while it holds, so that who missed the survey hears the next.
mu.define('brake', {
    least = 3,
    most = 4,
    usage = 'epoch engaged silent instances | epoch released hold|by-hand|coordinator-changed',
    flags = { 'allow-oom' },
    body = function(c, args)
        mu.fence(c, args[1])
        local key = c.prefix .. 'brake'
        local engaged = args[2] == 'engaged'
        if not engaged and args[2] ~= 'released' then
            fail('BAD_REQUEST', 'state ' .. quote(args[2]) .. ' must be engaged or released')
        end
        if (engaged and not args[4]) or (not engaged and (args[4] or not REASONS[args[3]])) then
            fail('BAD_REQUEST', 'engaged takes two numbers, released takes hold, by-hand or coordinator-changed')
        end
        local stands = call('GET', key)
        if engaged then
            local silent = mu.check_integer(args[3], 'silent', 0, 1000000000)
            local instances = mu.check_integer(args[4], 'instances', 0, 1000000000)
            if not stands then
                local rest = ',"silent":' .. int(silent) .. ',"instances":' .. int(instances)
                call('SET', key, '{"at":' .. int(mu.now(c)) .. rest .. '}')
                change(c, 'brake.engaged', rest)
            end
            tell(c, 'survey', '')
        elseif stands then
            call('DEL', key)
            change(c, 'brake.released', ',"reason":"' .. args[3] .. '"')
        end
        return '{"brake":' .. (engaged and 'true' or 'false') .. '}'
    end,
})
