#include "redis/address.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"

#define DEFAULT_PORT 6379
#define MALFORMED "the host is malformed"

/* Nothing of the URL is ever quoted in a sentence: a password with an unescaped '/' or '@' may
 * be found in any part of it. */
static enum muster_status bad(struct mu_error *error, const char *sentence) {
    return mu_error_set(error, MUSTER_BAD_REQUEST, "redis url: %s", sentence);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes `length` bytes. NULL when an escape is broken or a NUL byte comes out. */
static char *decode(const char *text, size_t length) {
    char *out = mu_calloc(length + 1, 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            int high = length - i >= 3 ? hex_digit(text[i + 1]) : -1;
            int low = length - i >= 3 ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                free(out);
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[used++] = c;
    }
    return out;
}

static bool read_number(const char *text, size_t length, unsigned max, unsigned *number) {
    unsigned long value = 0;
    if (length == 0 || length > 10) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i])) {
            return false;
        }
        value = value * 10 + (unsigned long)(text[i] - '0');
    }
    if (value > max) {
        return false;
    }
    *number = (unsigned)value;
    return true;
}

static enum muster_status read_user(const char *text, size_t length,
                                    struct mu_redis_address *address, struct mu_error *error) {
    const char *colon = memchr(text, ':', length);
    size_t user = colon ? (size_t)(colon - text) : length;
    if (user > 0) {
        address->user = decode(text, user);
        if (!address->user) {
            return bad(error, "a percent-escape in the user name is broken");
        }
    }
    if (colon) {
        address->password = decode(colon + 1, length - user - 1);
        if (!address->password) {
            return bad(error, "a percent-escape in the password is broken");
        }
    }
    if (!address->user && (!address->password || !*address->password)) {
        return bad(error, "there is nothing before the @");
    }
    return MUSTER_OK;
}

static bool host_ok(const char *text, size_t length, bool brackets) {
    if (length == 0 || length > 253) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        const char *extra = brackets ? ".:%-_" : ".-_";
        if (!isalnum((unsigned char)text[i]) && !strchr(extra, text[i])) {
            return false;
        }
    }
    return true;
}

/* NULL, or the sentence of what is wrong. */
static const char *read_host(const char *text, size_t length, uint16_t default_port,
                             struct mu_redis_address *address) {
    const char *end = text + length;
    const char *host = text;
    const char *host_end = NULL;
    bool brackets = length > 0 && *text == '[';
    if (brackets) {
        host = text + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end) {
            return "the ] after the IPv6 address is missing";
        }
    } else {
        host_end = memchr(text, ':', length);
        host_end = host_end ? host_end : end;
    }
    if (host == host_end) {
        return "there is no host";
    }
    if (!host_ok(host, (size_t)(host_end - host), brackets)) {
        return MALFORMED;
    }
    const char *rest = host_end + (brackets ? 1 : 0);
    address->port = default_port;
    if (rest != end) {
        unsigned port = 0;
        if (*rest != ':' || !read_number(rest + 1, (size_t)(end - rest - 1), 65535, &port) ||
            port == 0) {
            return "the port must be a number from 1 to 65535";
        }
        address->port = (uint16_t)port;
    }
    address->host = mu_strndup(host, (size_t)(host_end - host));
    return NULL;
}

enum muster_status mu_redis_address_endpoint(const char *text, uint16_t default_port,
                                             struct mu_redis_address *address,
                                             struct mu_error *error) {
    memset(address, 0, sizeof *address);
    const char *wrong = read_host(text, strlen(text), default_port, address);
    if (wrong) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "%s; allowed is host:port or [::1]:port",
                            wrong);
    }
    return MUSTER_OK;
}

bool mu_redis_host_valid(const char *host, size_t length) {
    return host_ok(host, length, true);
}

static enum muster_status read_tcp(const char *rest, struct mu_redis_address *address,
                                   struct mu_error *error) {
    size_t authority = strcspn(rest, "/?#");
    const char *path = rest + authority;
    const char *at = memrchr(rest, '@', authority);
    if (at) {
        enum muster_status status = read_user(rest, (size_t)(at - rest), address, error);
        if (status != MUSTER_OK) {
            return status;
        }
        authority -= (size_t)(at + 1 - rest);
        rest = at + 1;
    }
    const char *wrong = read_host(rest, authority, DEFAULT_PORT, address);
    if (wrong && strcmp(wrong, MALFORMED) == 0) {
        return bad(error, MALFORMED "; in user and password write @ / : and % as percent-escapes");
    }
    if (wrong) {
        return bad(error, wrong);
    }
    if (*path == '/' && path[1] != '\0' &&
        !read_number(path + 1, strlen(path + 1), INT_MAX, &address->database)) {
        return bad(error, "after the host only /N, the number of the database, may follow");
    }
    if (*path != '/' && *path != '\0') {
        return bad(error, "after the host only /N, the number of the database, may follow");
    }
    return MUSTER_OK;
}

static enum muster_status read_unix(const char *rest, struct mu_redis_address *address,
                                    struct mu_error *error) {
    size_t authority = strcspn(rest, "/");
    if (authority > 0) {
        if (rest[authority - 1] != '@') {
            return bad(error, "the path of a unix socket must be absolute: unix:///path");
        }
        enum muster_status status = read_user(rest, authority - 1, address, error);
        if (status != MUSTER_OK) {
            return status;
        }
    }
    const char *path = rest + authority;
    size_t length = strcspn(path, "?");
    if (length < 2) {
        return bad(error, "the path of the unix socket is missing");
    }
    if (length >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return bad(error, "the path of a unix socket may have 107 bytes at most");
    }
    const char *query = path + length;
    if (*query == '?' &&
        (strncmp(query, "?db=", 4) != 0 ||
         !read_number(query + 4, strlen(query + 4), INT_MAX, &address->database))) {
        return bad(error, "after the path only ?db=N may follow");
    }
    address->path = mu_strndup(path, length);
    return MUSTER_OK;
}

enum muster_status mu_redis_address_parse(const char *url, struct mu_redis_address *address,
                                          struct mu_error *error) {
    memset(address, 0, sizeof *address);
    enum muster_status status = MUSTER_OK;
    if (url && strncmp(url, "redis://", 8) == 0) {
        status = read_tcp(url + 8, address, error);
    } else if (url && strncmp(url, "unix://", 7) == 0) {
        status = read_unix(url + 7, address, error);
    } else if (url && strncmp(url, "rediss://", 9) == 0) {
        status = read_tcp(url + 9, address, error);
        address->tls = true;
    } else {
        return bad(error, "must begin with redis://, rediss:// or unix://");
    }
    if (status != MUSTER_OK) {
        mu_redis_address_deinit(address);
    }
    return status;
}

static bool given(const char *text) {
    return text && *text;
}

static void replace(char **place, const char *text) {
    free(*place);
    *place = given(text) ? mu_strdup(text) : NULL;
}

enum muster_status mu_redis_address_set_tls(struct mu_redis_address *address,
                                            const struct mu_redis_tls_options *options,
                                            struct mu_error *error) {
    const char *name = options->server_name;
    const char *wrong = NULL;
    if (!address->tls &&
        (given(options->ca) || given(options->certificate) || given(options->key) || given(name))) {
        wrong = "counts for a URL that begins with rediss:// only";
    } else if (given(options->certificate) && !given(options->key)) {
        wrong = "a certificate is given, but not its key";
    } else if (given(options->key) && !given(options->certificate)) {
        wrong = "a key is given, but not its certificate";
    } else if (given(name) && !host_ok(name, strlen(name), strchr(name, ':') != NULL)) {
        wrong = "the server's name is malformed: it is the name of a host, or an address";
    }
    if (wrong) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "%s", wrong);
    }
    replace(&address->ca, options->ca);
    replace(&address->certificate, options->certificate);
    replace(&address->key, options->key);
    replace(&address->server_name, name);
    return MUSTER_OK;
}

static char *copy(const char *text) {
    return text ? mu_strdup(text) : NULL;
}

void mu_redis_address_copy(struct mu_redis_address *to, const struct mu_redis_address *from) {
    *to = *from;
    to->host = copy(from->host);
    to->path = copy(from->path);
    to->user = copy(from->user);
    to->password = copy(from->password);
    to->ca = copy(from->ca);
    to->certificate = copy(from->certificate);
    to->key = copy(from->key);
    to->server_name = copy(from->server_name);
}

void mu_redis_address_deinit(struct mu_redis_address *address) {
    if (address->password) {
        explicit_bzero(address->password, strlen(address->password));
    }
    free(address->host);
    free(address->path);
    free(address->user);
    free(address->password);
    free(address->ca);
    free(address->certificate);
    free(address->key);
    free(address->server_name);
    memset(address, 0, sizeof *address);
}

void mu_redis_address_describe(const struct mu_redis_address *address, char *out, size_t size) {
    if (address->path) {
        snprintf(out, size, "%s/%u", address->path, address->database);
    } else {
        const char *host = address->host ? address->host : "";
        bool brackets = strchr(host, ':') != NULL;
        snprintf(out, size, "%s%s%s:%u/%u", brackets ? "[" : "", host, brackets ? "]" : "",
                 (unsigned)address->port, address->database);
    }
}
