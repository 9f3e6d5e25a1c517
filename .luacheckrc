-- The files of daemon/functions are pieces of one chunk, so .ci/run checks the assembled library
-- (build/daemon/muster.lua), whose locals of the first piece the others use.
std = "lua51"
read_globals = { "redis", "cjson", "cmsgpack", "bit", "struct" }
max_line_length = 130
