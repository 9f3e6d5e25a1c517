#include "base/log_limit.h"

#include <stdio.h>
#include <string.h>

/* Which fields say of what a line is; its other fields may differ. */
static const char *const id_fields[] = {
    "instance", "incarnation", "session",   "connection", "plugin", "daemon",  "ghost", "owner",
    "key",      "code",        "operation", "client",     "where",  "address", "id",
};

static bool begins(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_complete(const char *event) {
    return begins(event, "auth.") || begins(event, "order.") || begins(event, "config.");
}

/* FNV-1a: whoever makes two ids collide keeps two lines of his own from being told apart. */
static uint64_t add(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

/* What a plugin says has all its ids in the message. */
static bool is_id(const char *event, const char *field) {
    for (size_t i = 0; i < sizeof id_fields / sizeof id_fields[0]; i++) {
        if (strcmp(field, id_fields[i]) == 0) {
            return true;
        }
    }
    return begins(event, "plugin.") && strcmp(field, "message") == 0;
}

static uint64_t kind_of(const char *event, const struct mu_log_field *fields, size_t count,
                        char ids[MU_LOG_LIMIT_SHOWN]) {
    uint64_t hash = add(UINT64_C(0xcbf29ce484222325), event);
    size_t used = 0;
    ids[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text == NULL || !is_id(event, fields[i].name)) {
            continue;
        }
        hash = add(add(hash, fields[i].name), fields[i].text);
        if (used < MU_LOG_LIMIT_SHOWN - 1) {
            int more = snprintf(ids + used, MU_LOG_LIMIT_SHOWN - used, "%s%s=%s",
                                used > 0 ? " " : "", fields[i].name, fields[i].text);
            used += more > 0 ? (size_t)more : 0;
        }
    }
    return hash != 0 ? hash : 1;
}

/* What was held back of it is told, and it is counted anew. */
static void tell(struct mu_log_kind *kind, struct mu_log_kind *told) {
    if (kind->held > 0) {
        *told = *kind;
        kind->held = 0;
    }
}

/* One other kind, so that all have their turn. */
static void look_around(struct mu_log_limit *limit, uint64_t now, struct mu_log_kind *told) {
    struct mu_log_kind *kind = &limit->kinds[limit->hand];
    limit->hand = (limit->hand + 1) % MU_LOG_LIMIT_KINDS;
    if (kind->hash != 0 && now - kind->since >= limit->period_ms) {
        tell(kind, told);
        kind->hash = 0;
    }
}

bool mu_log_limit_pass(struct mu_log_limit *limit, uint64_t now, enum mu_log_level level,
                       const char *event, const struct mu_log_field *fields, size_t count,
                       struct mu_log_kind *told) {
    char ids[MU_LOG_LIMIT_SHOWN];
    told->held = 0;
    if (limit->most == 0) {
        return true;
    }
    if (is_complete(event)) {
        look_around(limit, now, told);
        return true;
    }
    uint64_t hash = kind_of(event, fields, count, ids);
    struct mu_log_kind *kind = &limit->kinds[hash % MU_LOG_LIMIT_KINDS];
    if (kind->hash != hash || now - kind->since >= limit->period_ms) {
        tell(kind, told);
        *kind = (struct mu_log_kind){.hash = hash, .since = now, .level = level};
        snprintf(kind->event, sizeof kind->event, "%s", event);
        memcpy(kind->ids, ids, sizeof kind->ids);
    }
    if (told->held == 0) {
        look_around(limit, now, told);
    }
    bool pass = kind->hash != hash || kind->lines < limit->most; /* it may just have gone */
    kind->lines++;
    kind->held += pass ? 0 : 1;
    return pass;
}

bool mu_log_limit_rest(struct mu_log_limit *limit, struct mu_log_kind *told) {
    told->held = 0;
    for (size_t i = 0; i < MU_LOG_LIMIT_KINDS && told->held == 0; i++) {
        tell(&limit->kinds[i], told);
    }
    return told->held > 0;
}
