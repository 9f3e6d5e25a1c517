#include "registry/registry.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "registry/read_internal.h"

#define NAME_SIZE 32

struct mu_registry {
    struct mu_link *link;
    char *name_space;
    char *version;
    struct mu_error refusal;
    struct mu_gate gate;
};

/* NULL: it is a function. */
static mu_read_start start_of(enum muster_operation operation) {
    switch (operation) {
    case MUSTER_OPERATION_COUNT:
        return mu_read_count;
    case MUSTER_OPERATION_ISMEMBER:
        return mu_read_ismember;
    case MUSTER_OPERATION_LEADER:
        return mu_read_leader;
    case MUSTER_OPERATION_CHECK:
        return mu_read_check;
    case MUSTER_OPERATION_SESSION:
        return mu_read_session;
    case MUSTER_OPERATION_SESSIONS:
        return mu_read_sessions;
    case MUSTER_OPERATION_MEMBERS:
        return mu_read_members;
    case MUSTER_OPERATION_USERS:
        return mu_read_users;
    case MUSTER_OPERATION_CONNECTION:
        return mu_read_connection;
    case MUSTER_OPERATION_INSTANCE:
        return mu_read_instance;
    case MUSTER_OPERATION_INSTANCES:
        return mu_read_instances;
    case MUSTER_OPERATION_STATUS:
        return mu_read_status;
    default:
        return NULL;
    }
}

struct mu_registry *mu_registry_create(const struct mu_registry_options *options) {
    struct mu_registry *self = mu_calloc(1, sizeof *self);
    self->link = options->link;
    self->name_space = mu_strdup(options->name_space);
    self->version = mu_strdup(options->version ? options->version : "");
    return self;
}

void mu_registry_destroy(struct mu_registry **registry) {
    struct mu_registry *self = *registry;
    *registry = NULL;
    if (self) {
        free(self->name_space);
        free(self->version);
        free(self);
    }
}

const char *mu_registry_refusal(const struct mu_registry *self) {
    return self->refusal.text;
}

/* Keys are built from the ids of a read, so they are looked at here whoever calls. */
static enum muster_status check_ids(struct mu_registry *self, const char *letters, size_t count,
                                    const struct muster_text *arguments) {
    for (size_t i = 0, at = 0; i < count; i++) {
        char letter = letters[at];
        if (strchr("sci", letter) && !mu_id_valid(arguments[i].data, arguments[i].length)) {
            return mu_error_set(&self->refusal, MUSTER_BAD_ID, "argument %zu: %s", i + 1,
                                muster_status_meaning(MUSTER_BAD_ID));
        }
        at += letters[at + 1] != '\0' && letters[at + 1] != '*';
    }
    return MUSTER_OK;
}

static enum muster_status start(struct mu_registry *self, mu_read_start begin, size_t count,
                                const struct muster_text *arguments, mu_answer_cb callback,
                                void *context) {
    struct mu_read *read = mu_read_create(count, arguments);
    read->link = self->link;
    read->name_space = self->name_space;
    read->version = self->version;
    read->gate = &self->gate;
    read->callback = callback;
    read->context = context;
    begin(read);
    if (!mu_read_failed(read)) {
        return MUSTER_OK;
    }
    self->refusal = read->error;
    read->abandoned = true; /* if a part of the batch is on its way, it ends later */
    mu_read_settle(read);
    return self->refusal.status;
}

static enum muster_status call(struct mu_registry *self, const char *name, size_t count,
                               const struct muster_text *arguments, mu_answer_cb callback,
                               void *context) {
    char lower[NAME_SIZE];
    size_t length = strlen(name);
    if (length >= sizeof lower) {
        abort(); /* names of our own table */
    }
    for (size_t i = 0; i <= length; i++) {
        lower[i] = (char)tolower((unsigned char)name[i]);
    }
    enum muster_status status =
        mu_call_texts(self->link, self->name_space, lower, count, arguments, callback, context);
    return status == MUSTER_OK
               ? status
               : mu_error_set(&self->refusal, status, "%s", muster_status_meaning(status));
}

enum muster_status mu_registry_apply(struct mu_registry *self, enum muster_operation operation,
                                     size_t count, const struct muster_text *arguments,
                                     mu_answer_cb callback, void *context) {
    const struct muster_operation_info *info = &mu_operations[operation];
    size_t signature = operation == MUSTER_OPERATION_ORDER ? 1 : 0; /* who gave it, in front */
    if (count < info->least + signature || count > info->most + signature) {
        return mu_error_set(&self->refusal, MUSTER_BAD_REQUEST, "%s expects: %s", info->name,
                            info->usage);
    }
    mu_read_start begin = start_of(operation);
    if (!begin) {
        return call(self, info->name, count, arguments, callback, context);
    }
    enum muster_status status = check_ids(self, info->arguments, count, arguments);
    return status == MUSTER_OK ? start(self, begin, count, arguments, callback, context) : status;
}
