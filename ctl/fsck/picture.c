/* picture.c - the numbers of ids and the lists of suspects and findings. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "fsck/fsck.h"
#include "table.h"

/* Room for number `index` in an array that grows by doubling. */
static void *room_for(void *array, uint32_t *capacity, uint32_t index, size_t size) {
    if (index >= *capacity) {
        uint32_t wider = *capacity == 0 ? 256 : *capacity * 2;
        array = mu_realloc(array, wider * size);
        *capacity = wider;
    }
    return array;
}

uint32_t mu_fsck_session(struct mu_fsck *fsck, const char *id, size_t length) {
    uint32_t before = fsck->session_names.count;
    uint32_t number = mu_names_put(&fsck->session_names, id, length);
    if (number == before) {
        fsck->sessions =
            room_for(fsck->sessions, &fsck->sessions_capacity, number, sizeof *fsck->sessions);
        fsck->sessions[number] = (struct mu_session){.leader_owner = MU_NAME_NONE};
    }
    return number;
}

uint32_t mu_fsck_instance(struct mu_fsck *fsck, const char *id, size_t length) {
    uint32_t before = fsck->instance_names.count;
    uint32_t number = mu_names_put(&fsck->instance_names, id, length);
    if (number == before) {
        fsck->instances =
            room_for(fsck->instances, &fsck->instances_capacity, number, sizeof *fsck->instances);
        fsck->instances[number] = (struct mu_instance){.owner = MU_NAME_NONE};
    }
    return number;
}

uint32_t mu_fsck_owner(struct mu_fsck *fsck, const char *name, size_t length) {
    const char *colon = memchr(name, ':', length);
    if (colon == NULL) {
        return MU_NAME_NONE;
    }
    size_t left = (size_t)(colon - name);
    if (!mu_id_valid(name, left) || !mu_id_valid(colon + 1, length - left - 1)) {
        return MU_NAME_NONE;
    }
    uint32_t before = fsck->owner_names.count;
    uint32_t number = mu_names_put(&fsck->owner_names, name, length);
    if (number == before) {
        fsck->owners = room_for(fsck->owners, &fsck->owners_capacity, number, sizeof *fsck->owners);
        uint32_t instance = mu_fsck_instance(fsck, name, left);
        fsck->owners[number] = (struct mu_owner){
            .instance = instance,
            .incarnation = {mu_names_text(&fsck->owner_names, number) + left + 1,
                            length - left - 1},
        };
    }
    return number;
}

uint32_t mu_fsck_owner_of(struct mu_fsck *fsck, struct mu_slice instance,
                          struct mu_slice incarnation) {
    char name[2 * MU_ID_SIZE];
    int length = snprintf(name, sizeof name, "%.*s:%.*s", (int)instance.length, instance.at,
                          (int)incarnation.length, incarnation.at);
    return mu_fsck_owner(fsck, name, (size_t)length);
}

char *mu_fsck_key(const struct mu_fsck *fsck, char out[MU_KEY_BYTES], const char *format, ...) {
    va_list arguments;
    int head = snprintf(out, MU_KEY_BYTES, "{%s}:", fsck->ctl->name_space);
    va_start(arguments, format);
    vsnprintf(out + head, MU_KEY_BYTES - (size_t)head, format, arguments);
    va_end(arguments);
    return out;
}

static void store(struct mu_finding **list, size_t *count, enum mu_code code, const char *key,
                  const char *format, va_list arguments) {
    struct mu_finding *finding = NULL;
    char *what = NULL;
    mu_must(vasprintf(&what, format, arguments) >= 0);
    *list = mu_realloc(*list, (*count + 1) * sizeof **list);
    finding = &(*list)[(*count)++];
    *finding = (struct mu_finding){.code = code, .key = mu_strdup(key), .what = what};
}

void mu_look_found(struct mu_look *look, enum mu_code code, const char *key, const char *format,
                   ...) {
    va_list arguments;
    look->codes |= MU_BIT(code);
    if (look->verbose && (look->keep & MU_BIT(code)) != 0) {
        va_start(arguments, format);
        store(&look->findings, &look->count, code, key, format, arguments);
        va_end(arguments);
    }
}

void mu_look_deinit(struct mu_look *look) {
    for (size_t i = 0; i < look->count; i++) {
        free(look->findings[i].key);
        free(look->findings[i].what);
    }
    free(look->findings);
    look->findings = NULL;
    look->count = 0;
}

void mu_fsck_suspect(struct mu_fsck *fsck, struct mu_unit unit, uint64_t codes, uint64_t stamp) {
    if (codes == 0) {
        return;
    }
    if (fsck->suspect_count == fsck->suspect_capacity) {
        fsck->suspect_capacity = fsck->suspect_capacity == 0 ? 64 : fsck->suspect_capacity * 2;
        fsck->suspects =
            mu_realloc(fsck->suspects, fsck->suspect_capacity * sizeof *fsck->suspects);
    }
    fsck->suspects[fsck->suspect_count++] =
        (struct mu_suspect){.unit = unit, .codes = codes, .stamp = stamp};
}

void mu_fsck_add(struct mu_fsck *fsck, enum mu_code code, const char *key, const char *format,
                 ...) {
    uint64_t limit = fsck->ctl->options->limit;
    int invariant = mu_code_infos[code].invariant;
    va_list arguments;
    if (limit != 0 && fsck->found[invariant] >= limit) {
        fsck->found[invariant]++; /* counted, not listed */
        return;
    }
    fsck->found[invariant]++;
    va_start(arguments, format);
    store(&fsck->findings, &fsck->finding_count, code, key, format, arguments);
    va_end(arguments);
}
