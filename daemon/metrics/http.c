#include "metrics/http.h"

#include <string.h>
#include <strings.h>

#define METHOD_MAX 16

struct line {
    const char *data;
    size_t length;
};

/* The next line without its end, which is CR LF. False: there is none, or one with a byte that no
 * line of a request has. */
static bool take_line(const char **at, const char *end, struct line *line) {
    const char *stop = memchr(*at, '\r', (size_t)(end - *at));
    if (stop == NULL || stop + 1 >= end || stop[1] != '\n') {
        return false;
    }
    *line = (struct line){*at, (size_t)(stop - *at)};
    *at = stop + 2;
    for (size_t i = 0; i < line->length; i++) {
        unsigned char byte = (unsigned char)line->data[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool equals(const char *data, size_t length, const char *text) {
    return length == strlen(text) && memcmp(data, text, length) == 0;
}

static unsigned read_target(const char *data, size_t length, struct mu_http_request *request) {
    static const struct {
        const char *text;
        enum mu_http_path path;
    } paths[] = {
        {"/metrics", MU_HTTP_METRICS}, {"/healthz", MU_HTTP_HEALTHZ}, {"/readyz", MU_HTTP_READYZ}};
    const char *query = memchr(data, '?', length);
    length = query != NULL ? (size_t)(query - data) : length;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (equals(data, length, paths[i].text)) {
            request->path = paths[i].path;
            return 200;
        }
    }
    return 404;
}

/* METHOD SP target SP HTTP/1.x */
static unsigned read_first(const struct line *line, struct mu_http_request *request,
                           bool *old_version) {
    const char *space = memchr(line->data, ' ', line->length);
    size_t method = space != NULL ? (size_t)(space - line->data) : 0;
    if (method == 0 || method > METHOD_MAX) {
        return 400;
    }
    const char *target = space + 1;
    size_t rest = line->length - method - 1;
    const char *second = memchr(target, ' ', rest);
    size_t length = second != NULL ? (size_t)(second - target) : 0;
    if (length == 0 || target[0] != '/') {
        return 400;
    }
    const char *version = second + 1;
    size_t version_length = rest - length - 1;
    if (version_length != strlen("HTTP/1.1") || strncmp(version, "HTTP/", 5) != 0) {
        return 400;
    }
    if (!equals(version, version_length, "HTTP/1.1") &&
        !equals(version, version_length, "HTTP/1.0")) {
        return 505;
    }
    *old_version = version[version_length - 1] == '0';
    request->head = equals(line->data, method, "HEAD");
    if (!request->head && !equals(line->data, method, "GET")) {
        return 405;
    }
    return read_target(target, length, request);
}

/* The host of a Host header, its port cut off: is it this machine? */
static bool is_local(struct line value) {
    while (value.length > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.length--;
    }
    while (value.length > 0 && (value.data[value.length - 1] == ' ')) {
        value.length--;
    }
    const char *close = memchr(value.data, ']', value.length);
    const char *from = close != NULL ? close : value.data;
    const char *colon = memchr(from, ':', value.length - (size_t)(from - value.data));
    size_t length = colon != NULL ? (size_t)(colon - value.data) : value.length;
    if (equals(value.data, length, "[::1]") ||
        (length == strlen("localhost") && strncasecmp(value.data, "localhost", length) == 0)) {
        return true;
    }
    if (length < strlen("127.0.0.1") || strncmp(value.data, "127.", 4) != 0) {
        return false;
    }
    for (size_t i = 0; i < length; i++) { /* 127.0.0.1.example.com is a name */
        if (value.data[i] != '.' && (value.data[i] < '0' || value.data[i] > '9')) {
            return false;
        }
    }
    return true;
}

unsigned mu_http_read(const char *bytes, size_t length, bool any_host,
                      struct mu_http_request *request) {
    static const char host[] = "host:";
    const char *at = bytes;
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    struct line line;
    bool old_version = false;
    unsigned hosts = 0;
    bool local = true;
    if (end == NULL) {
        return length >= MU_HTTP_REQUEST_MAX ? 431 : 0;
    }
    end += 2; /* behind the last line */
    if (!take_line(&at, end, &line)) {
        return 400;
    }
    unsigned status = read_first(&line, request, &old_version);
    while (at < end) {
        if (!take_line(&at, end, &line)) {
            return 400;
        }
        if (line.length >= strlen(host) && strncasecmp(line.data, host, strlen(host)) == 0) {
            hosts++;
            local = is_local((struct line){line.data + strlen(host), line.length - strlen(host)});
        }
    }
    if (hosts > 1 || (hosts == 0 && !old_version)) {
        return 400;
    }
    return any_host || local ? status : 421;
}

const char *mu_http_status(unsigned status) {
    switch (status) {
    case 200:
        return "200 OK";
    case 404:
        return "404 Not Found";
    case 405:
        return "405 Method Not Allowed";
    case 421:
        return "421 Misdirected Request";
    case 431:
        return "431 Request Header Fields Too Large";
    case 503:
        return "503 Service Unavailable";
    case 505:
        return "505 HTTP Version Not Supported";
    default:
        return "400 Bad Request";
    }
}

bool mu_http_answer(struct mu_buffer *out, unsigned status, bool head, const char *body,
                    size_t length) {
    return mu_buffer_printf(out,
                            "HTTP/1.1 %s\r\n"
                            "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                            "Content-Length: %zu\r\n"
                            "Cache-Control: no-store\r\n"
                            "X-Content-Type-Options: nosniff\r\n"
                            "%s"
                            "Connection: close\r\n\r\n",
                            mu_http_status(status), length,
                            status == 405 ? "Allow: GET, HEAD\r\n" : "") &&
           (head || mu_buffer_append(out, body, length));
}
