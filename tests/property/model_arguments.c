/* model_arguments.c - what the model thinks of arguments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property/model_internal.h"

enum { ID_MAX_BYTES = 128, DEPTH_MAX = 32 };

void pm_refuse(struct pm_outcome *outcome, enum muster_status status) {
    outcome->refusals |= UINT64_C(1) << status;
}

const char *pm_argument(const struct pm_call *call, size_t index) {
    return index < call->count ? call->arguments[index] : "";
}

void pm_check_id(struct pm_outcome *outcome, const char *text) {
    size_t good = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "._~@|+=-");
    if (good == 0 || good > ID_MAX_BYTES || text[good] != '\0')
        pm_refuse(outcome, MUSTER_BAD_ID);
}

static int depth_of(const json_t *value) {
    int deepest = 0;
    size_t index;
    const char *name;
    json_t *child;
    if (json_is_array(value)) {
        json_array_foreach(value, index, child) {
            int depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
    }
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, name, child) {
            int depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
    }
    return 0;
}

void pm_check_object(struct pm_outcome *outcome, const char *text, long long limit) {
    if (text[0] == '\0')
        return;
    if (strlen(text) > (size_t)limit)
        pm_refuse(outcome, MUSTER_TOO_LARGE);
    json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(value) || depth_of(value) > DEPTH_MAX)
        pm_refuse(outcome, MUSTER_BAD_JSON);
    json_decref(value);
}

long long pm_check_number(struct pm_outcome *outcome, const char *text, long long low,
                          long long high) {
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    bool digits = text[0] != '\0' && strspn(text, "-0123456789") == strlen(text);
    if (!digits || *end != '\0' || strlen(text) > 16 || number < low || number > high) {
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
        return low;
    }
    return number;
}

void pm_check_count(struct pm_outcome *outcome, const struct pm_call *call, size_t least,
                    size_t most) {
    if (call->count < least || call->count > most)
        pm_refuse(outcome, MUSTER_BAD_REQUEST);
}

void pm_check_serving(const struct pm_state *state, struct pm_outcome *outcome) {
    if (state->generation == NULL || !pm_same(state->generation, state->confirmed))
        pm_refuse(outcome, MUSTER_UNAVAILABLE);
}

void pm_check_fence(const struct pm_state *state, struct pm_outcome *outcome, const char *epoch) {
    long long number = pm_check_number(outcome, epoch, 1, INT64_C(9007199254740991));
    if (!pm_lease_stands(state) || number != state->lease_epoch)
        pm_refuse(outcome, MUSTER_STALE_EPOCH);
}

struct pm_instance *pm_check_own(struct pm_state *state, struct pm_outcome *outcome, const char *id,
                                 const char *incarnation) {
    pm_check_id(outcome, id);
    pm_check_id(outcome, incarnation);
    struct pm_instance *instance = pm_instance(state, id);
    if (instance == NULL)
        pm_refuse(outcome, MUSTER_UNKNOWN_INSTANCE);
    else if (!pm_same(instance->incarnation, incarnation))
        pm_refuse(outcome, MUSTER_STALE_INCARNATION);
    else
        return instance;
    return NULL;
}

bool pm_whole_number(const json_t *value, long long low, long long high, long long *number) {
    if (json_is_real(value)) {
        double real = json_real_value(value);
        *number = (long long)real;
        if ((double)*number < real || (double)*number > real)
            return false;
    } else if (json_is_integer(value)) {
        *number = json_integer_value(value);
    } else {
        return false;
    }
    return *number >= low && *number <= high;
}

static bool take_option(struct pm_state *state, struct pm_outcome *outcome,
                        struct pm_options *options, const char *name, const json_t *value) {
    long long number = 0;
    if (strcmp(name, "user") == 0) {
        if (!json_is_string(value))
            return false;
        options->user = pm_keep(state, json_string_value(value));
        pm_check_id(outcome, options->user);
    } else if (strcmp(name, "resume") == 0) {
        if (!json_is_string(value))
            return false;
        options->secret = pm_keep(state, json_string_value(value));
        return options->secret[0] != '\0' && strlen(options->secret) <= 256;
    } else if (strcmp(name, "lead") == 0) {
        options->never_leads = json_is_false(value);
        return json_is_boolean(value);
    } else if (strcmp(name, "exclusive") == 0) {
        options->exclusive = json_is_true(value);
        return json_is_boolean(value);
    } else if (strcmp(name, "priority") == 0) {
        if (!pm_whole_number(value, -1023, 1023, &number))
            return false;
        options->priority = (int)number;
    } else if (strcmp(name, "limit") == 0) {
        if (!pm_whole_number(value, 1, 1000000000, &number))
            return false;
        options->limit = number;
    } else if (strcmp(name, "quota") == 0) {
        return pm_take_quota(state, outcome, options, value);
    } else if (strcmp(name, "ttl") == 0) {
        if (!pm_whole_number(value, 1, 2592000000, &number))
            return false;
        options->ttl = number;
    }
    return true;
}

struct pm_options pm_check_options(struct pm_state *state, struct pm_outcome *outcome,
                                   const char *text, const char *allowed) {
    struct pm_options options = {0};
    const char *name;
    json_t *value;
    pm_check_object(outcome, text, state->profile_limit);
    json_t *object = text[0] == '\0' ? NULL : json_loads(text, JSON_ALLOW_NUL, NULL);
    if (json_is_object(object)) {
        json_object_foreach(object, name, value) {
            char word[64];
            snprintf(word, sizeof word, " %.60s ", name);
            if (strstr(allowed, word) == NULL ||
                !take_option(state, outcome, &options, name, value))
                pm_refuse(outcome, MUSTER_BAD_REQUEST);
        }
    }
    json_decref(object);
    return options;
}
