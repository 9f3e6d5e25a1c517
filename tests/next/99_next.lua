-- What the next version knows and this one does not: by this a test sees which one is loaded.

mu.define('next', {
    least = 0,
    most = 0,
    usage = '',
    flags = { 'no-writes' },
    unconfirmed = true,
    body = function()
        return '{"next":true}'
    end,
})
