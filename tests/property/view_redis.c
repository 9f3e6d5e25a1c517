/* view_redis.c - the real data as lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/view_lines.h"

const char *const pm_view_script =
    "local out = {}\n"
    "for _, key in ipairs(redis.call('KEYS', '*')) do\n"
    "  local kind = redis.call('TYPE', key).ok\n"
    "  local held = {}\n"
    "  if kind == 'hash' then held = redis.call('HGETALL', key)\n"
    "  elseif kind == 'set' then held = redis.call('SMEMBERS', key)\n"
    "  elseif kind == 'zset' then held = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')\n"
    "  elseif kind == 'string' then held = {redis.call('GET', key)} end\n"
    "  out[#out + 1] = {key, kind, redis.call('PTTL', key), held}\n"
    "end\n"
    "return out\n";

/* Cuts `text` at the next '/' and moves behind it; NULL when there is none. */
static char *next_part(char **text) {
    char *start = *text;
    char *slash = start == NULL ? NULL : strchr(start, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    *text = slash + 1;
    return start;
}

/* connected_at/user[:holder]/ttl/until/secret/resumed/s1,s2,.../profile, as docs/ARCHITECTURE.md
 * has it. */
static bool add_record(struct pm_view *view, const char *instance, const char *incarnation,
                       const char *connection, const char *stored) {
    char *copy = strdup(stored);
    char *rest = copy;
    char *parts[7];
    struct pm_record record = {
        .instance = instance, .incarnation = incarnation, .connection = connection};
    bool fine = copy != NULL;
    for (size_t i = 0; i < 7 && fine; i++) {
        parts[i] = next_part(&rest);
        fine = parts[i] != NULL;
    }
    if (fine) {
        record.connected_at = strtoll(parts[0], NULL, 10);
        char *colon = strchr(parts[1], ':');
        record.user = parts[1];
        if (colon != NULL) {
            *colon = '\0';
            record.passed_on = colon[1] == ':';
            record.holder = colon + (record.passed_on ? 2 : 1);
        }
        record.ttl = strtoll(parts[2], NULL, 10);
        record.until = strtoll(parts[3], NULL, 10);
        record.secret = parts[4][0] == '\0' ? NULL : parts[4];
        record.profile = rest;
        char *save = NULL;
        for (char *name = strtok_r(parts[6], ",", &save); name != NULL;
             name = strtok_r(NULL, ",", &save))
            if (record.session_count < PM_SESSIONS)
                record.sessions[record.session_count++] = name;
        pm_view_add_record(view, &record);
    }
    free(copy);
    return fine;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Settings are stored in a form of the functions' own. */
static bool is_private(const char *key, const char *field) {
    return strcmp(key, "config") == 0 && strcmp(field, "generation") != 0 &&
           strcmp(field, "run") != 0;
}

static bool add_ghost_field(struct pm_view *view, const char *key, const char *field,
                            const char *value) {
    char name[300];
    if (field[0] == '#') {
        pm_view_add(view, "%s %s = %s", key, field, value);
        return true;
    }
    snprintf(name, sizeof name, "%s", key + strlen("ghosts:"));
    char *colon = strchr(name, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    return add_record(view, name, colon + 1, field, value);
}

static const char *incarnation_of(const redisReply *reply, const char *instance) {
    char wanted[320];
    snprintf(wanted, sizeof wanted, MT_NS "instance:%s", instance);
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *key = reply->element[i];
        const redisReply *held = key->element[3];
        if (strcmp(key->element[0]->str, wanted) != 0)
            continue;
        for (size_t j = 0; j + 1 < held->elements; j += 2)
            if (strcmp(held->element[j]->str, "incarnation") == 0)
                return held->element[j + 1]->str;
    }
    return "(no instance)";
}

static bool add_hash(struct pm_view *view, const redisReply *reply, const char *key,
                     const redisReply *held) {
    bool fine = true;
    char instance[300] = "";
    const char *incarnation = NULL;
    if (strncmp(key, "instance:", 9) == 0 && ends_with(key, ":connections")) {
        snprintf(instance, sizeof instance, "%.*s", (int)(strlen(key) - 9 - 12), key + 9);
        incarnation = incarnation_of(reply, instance);
    }
    for (size_t i = 0; i + 1 < held->elements && fine; i += 2) {
        const char *field = held->element[i]->str;
        const char *value = held->element[i + 1]->str;
        if (incarnation != NULL)
            fine = add_record(view, instance, incarnation, field, value);
        else if (strncmp(key, "ghosts:", 7) == 0)
            fine = add_ghost_field(view, key, field, value);
        else if (!is_private(key, field))
            pm_view_add(view, "%s %s = %s", key, field, value);
    }
    return fine;
}

bool pm_view_of_redis(struct pm_view *view, const redisReply *reply, long long now) {
    bool fine = true;
    for (size_t i = 0; i < reply->elements && fine; i++) {
        const redisReply *entry = reply->element[i];
        const char *key = entry->element[0]->str;
        const char *kind = entry->element[1]->str;
        long long left = entry->element[2]->integer;
        const redisReply *held = entry->element[3];
        if (strncmp(key, MT_NS, strlen(MT_NS)) != 0) {
            pm_view_add(view, "foreign key %s", key);
            continue;
        }
        key += strlen(MT_NS);
        if (strcmp(key, "journal") == 0)
            continue; /* for people; integration.journal */
        if (strcmp(kind, "hash") == 0)
            fine = add_hash(view, reply, key, held);
        else if (strcmp(kind, "string") == 0 && left >= 0)
            pm_view_add(view, "%s = %s until %lld", key, held->element[0]->str, now + left);
        else if (strcmp(kind, "string") == 0)
            pm_view_add(view, "%s = %s", key, held->element[0]->str);
        else if (strcmp(kind, "set") == 0)
            for (size_t j = 0; j < held->elements; j++)
                pm_view_add(view, "%s %s", key, held->element[j]->str);
        else
            for (size_t j = 0; j + 1 < held->elements; j += 2)
                pm_view_add(view, "%s %s = %lld", key, held->element[j]->str,
                            strtoll(held->element[j + 1]->str, NULL, 10));
        if (left >= 0 && strcmp(kind, "string") != 0)
            pm_view_add(view, "%s expires", key);
    }
    pm_view_sort(view);
    return fine;
}
