#include "body.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *http_action_name(enum muster_action action) {
    static const char *const names[] = {
#define NAME(name, text, covers) text,
        MUSTER_ACTION_TABLE(NAME)
#undef NAME
    };
    return (size_t)action < MUSTER_ACTIONS ? names[action] : NULL;
}

static const char *kind_name(enum muster_principal_kind kind) {
    switch (kind) {
    case MUSTER_PRINCIPAL_INSTANCE:
        return "instance";
    case MUSTER_PRINCIPAL_USER:
        return "user";
    case MUSTER_PRINCIPAL_OPERATOR:
        return "operator";
    case MUSTER_PRINCIPAL_ANONYMOUS:
        break;
    }
    return "anonymous";
}

/* One member; what is NULL is left out. False: no UTF-8, or no memory. */
static bool put(json_t *object, const char *name, const char *text) {
    return text == NULL || json_object_set_new(object, name, json_string(text)) == 0;
}

/* The same for what is JSON already. */
static bool put_claims(json_t *object, const char *claims) {
    if (claims == NULL) {
        return true;
    }
    json_t *value = json_loads(claims, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(value)) {
        json_decref(value);
        return false;
    }
    return json_object_set_new(object, "claims", value) == 0;
}

/* The same for bytes that may hold a NUL. */
static bool put_text(json_t *object, const char *name, const struct muster_text *text) {
    return text->data == NULL ||
           json_object_set_new(object, name, json_stringn(text->data, text->length)) == 0;
}

static bool put_principal(json_t *root, const struct muster_principal *principal) {
    json_t *object = json_object();
    json_t *roles = json_array();
    bool done =
        put(object, "id", principal->id) && put(object, "kind", kind_name(principal->kind)) &&
        put(object, "instance", principal->instance) && put_claims(object, principal->claims);
    for (size_t i = 0; done && i < principal->role_count; i++) {
        done = json_array_append_new(roles, json_string(principal->roles[i])) == 0;
    }
    done = json_object_set_new(object, "roles", roles) == 0 && done;
    return json_object_set_new(root, "principal", object) == 0 && done;
}

static bool put_resource(json_t *root, const struct muster_resource *resource) {
    json_t *object = json_object();
    bool done = put(object, "session", resource->session) &&
                put(object, "connection", resource->connection) &&
                put(object, "instance", resource->instance) &&
                put(object, "incarnation", resource->incarnation) &&
                put(object, "user", resource->user) && put_claims(object, resource->claims) &&
                put(object, "resumed", resource->resumed);
    return json_object_set_new(root, "resource", object) == 0 && done;
}

/* Into memory of exactly its size. */
static bool dump(const json_t *root, struct http_body *body) {
    size_t length = json_dumpb(root, NULL, 0, JSON_COMPACT);
    body->data = length > 0 ? malloc(length) : NULL;
    body->length = body->data != NULL ? length : 0;
    return body->data != NULL && json_dumpb(root, body->data, length, JSON_COMPACT) == length;
}

bool http_body_authorize(struct http_body *body, const struct muster_principal *principal,
                         enum muster_action action, const struct muster_resource *resource) {
    json_t *root = json_object();
    *body = (struct http_body){0};
    bool done = put(root, "question", "authorize") && put_principal(root, principal) &&
                put(root, "action", http_action_name(action)) &&
                put(root, "operation", resource->operation) && put_resource(root, resource) &&
                dump(root, body);
    json_decref(root);
    if (!done) {
        http_body_wipe(body);
    }
    return done;
}

bool http_body_authenticate(struct http_body *body, const struct muster_credentials *credentials) {
    json_t *root = json_object();
    bool caller = credentials->purpose == MUSTER_PURPOSE_CALLER;
    const char *secret = caller ? "token" : "credential";
    *body = (struct http_body){0};
    bool done =
        put(root, "question", "authenticate") &&
        put(root, "purpose", caller ? "caller" : "end_user") &&
        put_text(root, "user", &credentials->user) && put_text(root, secret, &credentials->token) &&
        put(root, "certificate", credentials->certificate) &&
        put(root, "peer", credentials->peer) && put(root, "transport", credentials->transport) &&
        put(root, "requested_user", credentials->requested_user) && dump(root, body);
    json_decref(root);
    if (!done) {
        http_body_wipe(body);
    }
    return done;
}

void http_body_wipe(struct http_body *body) {
    if (body->data != NULL) {
        explicit_bzero(body->data, body->length);
        free(body->data);
    }
    *body = (struct http_body){0};
}
