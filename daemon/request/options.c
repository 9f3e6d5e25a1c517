#include "request/options.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define CREDENTIAL "credential"
#define QUOTA "quota"

static char *printed(json_t *object) {
    char *text = json_dumps(object, JSON_COMPACT);
    char *copy = text != NULL ? mu_strdup(text) : NULL;
    if (text != NULL) {
        explicit_bzero(text, strlen(text)); /* it may hold a resume secret */
    }
    free(text);
    return copy;
}

static json_t *parsed(const char *options, size_t length) {
    json_t *object =
        length == 0 ? json_object() : json_loadb(options, length, JSON_REJECT_DUPLICATES, NULL);
    if (object != NULL && !json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static enum muster_status take(json_t *object, struct mu_options *out, struct mu_error *error) {
    const json_t *credential = json_object_get(object, CREDENTIAL);
    const json_t *user = json_object_get(object, "user");
    if (json_object_get(object, QUOTA) != NULL) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "option 'quota' is set by the authorizers of this door, not by who "
                            "asks");
    }
    if (json_is_string(user)) {
        out->user = mu_strdup(json_string_value(user));
    }
    if (credential == NULL) {
        return MUSTER_OK;
    }
    if (!json_is_string(credential) || json_string_length(credential) == 0) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "option 'credential' must be a string that is not empty");
    }
    out->credential_length = json_string_length(credential);
    out->credential = mu_strndup(json_string_value(credential), out->credential_length);
    explicit_bzero((char *)(uintptr_t)json_string_value(credential), out->credential_length);
    json_object_del(object, CREDENTIAL);
    out->rest = printed(object);
    return MUSTER_OK;
}

enum muster_status mu_options_take(const struct muster_text *options, struct mu_options *out,
                                   struct mu_error *error) {
    memset(out, 0, sizeof *out);
    if (options->length == 0) {
        return MUSTER_OK;
    }
    json_t *object = parsed(options->data, options->length);
    if (object == NULL) {
        return mu_error_set(error, MUSTER_BAD_JSON, "the options must be one strict JSON object");
    }
    enum muster_status status = take(object, out, error);
    json_decref(object);
    return status;
}

void mu_options_deinit(struct mu_options *options) {
    if (options->credential != NULL) {
        explicit_bzero(options->credential, options->credential_length);
    }
    if (options->rest != NULL) {
        explicit_bzero(options->rest, strlen(options->rest));
    }
    free(options->credential);
    free(options->user);
    free(options->rest);
    memset(options, 0, sizeof *options);
}

static char *with(const char *options, const char *name, json_t *value) {
    json_t *object = parsed(options, strlen(options));
    char *text = NULL;
    if (object != NULL && json_object_set(object, name, value) == 0) {
        text = printed(object);
    }
    json_decref(object);
    json_decref(value);
    return text;
}

char *mu_options_with_user(const char *options, const char *user) {
    return with(options, "user", json_string(user));
}

char *mu_options_with_quota(const char *options, const struct mu_quota *quota) {
    json_t *value = json_pack("{s:s}", "holder", quota->holder);
    if (value != NULL && quota->connections > 0) {
        json_object_set_new(value, "connections", json_integer(quota->connections));
    }
    if (value != NULL && quota->sessions > 0) {
        json_object_set_new(value, "sessions", json_integer(quota->sessions));
    }
    return with(options, QUOTA, value);
}

char *mu_options_without_lead(const char *options) {
    return with(options, "lead", json_false());
}
