-- The functions library of muster. Every change of state is one of these functions; reads are
-- plain commands on the keys that docs/ARCHITECTURE.md lists.
--
-- Redis 7.0 gives the main chunk of a library no `string`, `table`, `pairs` or `redis.call`: they
-- exist only while a function runs. So everything used from there is captured once, by boot(), at
-- the first call. The files are concatenated in the order of their names; this one declares what
-- all share, each other one is a block of its own.

local VERSION = 6
-- The oldest daemon that can work with this library. One of 2 cannot show a connection with a quota.
local MIN_READER = 2

-- The limits below are part of the contract (docs/ARCHITECTURE.md), not settings.
local ID_MAX = 128
local JSON_DEPTH_MAX = 32
local DETAIL_MAX = 256
local ELECTION_LOOKS = 500 -- candidates that one call looks at, at most
local PRIORITY_MAX = 1023
local RANK_STEP = 4398046511104 -- 2^42: above every seq, and 2046 of them stay below 2^53
local BURIED_KEEP_MS = 86400000
local TTL_MAX = 2592000000 -- 30 days
local SECRET_MAX = 256 -- bytes
local DRAIN_RATE_MAX = 10000 -- connections told to move a second
local NOTICE_MIN, NOTICE_MAX, NOTICE = 100, 3600000, 30000 -- ms that each of them has

local function globals()
    return string, table, math, redis, cjson, tonumber, type, error, pcall, pairs, unpack
end

local call, try, error_reply, sha1hex
local find, match, gsub, gmatch, sub, format
local concat, sort, floor, max, min
local decode, encode
local tonumber, type, error, pcall, pairs, unpack

local booted = false
local function boot()
    local lua_string, lua_table, lua_math, lua_redis, lua_cjson
    lua_string, lua_table, lua_math, lua_redis, lua_cjson, tonumber, type, error, pcall, pairs,
        unpack = globals()
    call, try = lua_redis.call, lua_redis.pcall
    error_reply, sha1hex = lua_redis.error_reply, lua_redis.sha1hex
    find, match, gsub, gmatch = lua_string.find, lua_string.match, lua_string.gsub, lua_string.gmatch
    sub, format = lua_string.sub, lua_string.format
    concat, sort = lua_table.concat, lua_table.sort
    floor, max, min = lua_math.floor, lua_math.max, lua_math.min
    decode, encode = lua_cjson.decode, lua_cjson.encode
    booted = true
end

-- What one file offers to the later ones.
local mu = {}
