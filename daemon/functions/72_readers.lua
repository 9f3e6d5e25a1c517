-- Which daemons are about, and which version of this library each of them brings along: attend.
--
-- Who wants to go back to an older library must know that nobody needs the newer one. All namespaces
-- of a Redis share one library, and it is asked for no longer than it is loaded: so this stands in the
-- library itself, not in the data. A daemon that goes on attends every two seconds.

local check_id, int = mu.check_id, mu.int

local VERSION_MAX = 1000000
local KEEP_MS = 10000 -- who was not heard for so long is gone
local MOST = 1000 -- daemons; beyond it nothing is said about going back

local readers, count = {}, 0 -- prefix and id of a daemon -> { its version, when it was heard }
local since = false -- the first call: before it had its time, a daemon may not have been here yet

local function forget(key)
    if readers[key] then
        readers[key] = nil
        count = count - 1
    end
end

-- The highest version of those that were heard lately.
local function newest(now)
    local highest = 0
    for key, reader in pairs(readers) do
        reader[2] = min(reader[2], now) -- a clock that was set back
        if reader[2] + KEEP_MS < now then
            forget(key)
        else
            highest = max(highest, reader[1])
        end
    end
    return highest
end

mu.define('attend', {
    least = 2,
    most = 2,
    usage = 'id library',
    flags = { 'no-writes' },
    unconfirmed = true,
    body = function(c, args)
        check_id(args[1], 'id')
        local library = mu.check_integer(args[2], 'library', 0, VERSION_MAX)
        local key, now = c.prefix .. args[1], mu.now(c)
        since = min(since or now, now)
        if library == 0 then
            forget(key) -- it ends
        elseif readers[key] then
            readers[key] = { library, now }
        elseif count < MOST then
            readers[key] = { library, now }
            count = count + 1
        end
        local settled = count < MOST and since + KEEP_MS <= now
        return '{"version":' .. int(VERSION) .. ',"newest":' .. int(newest(now)) .. ',"settled":'
            .. (settled and 'true' or 'false') .. '}'
    end,
})
