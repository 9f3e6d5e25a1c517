#include "auth_rules/principals.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "auth_rules/alloc.h"
#include "auth_rules/date.h"

const char *const rules_kinds[] = {
    [MUSTER_PRINCIPAL_ANONYMOUS] = "anonymous",
    [MUSTER_PRINCIPAL_INSTANCE] = "instance",
    [MUSTER_PRINCIPAL_USER] = "user",
    [MUSTER_PRINCIPAL_OPERATOR] = "operator",
    NULL,
};

static bool is_id(const char *text) {
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                 "._~@|+=-");
    return length > 0 && length <= RULES_NAME_MAX && text[length] == '\0';
}

/* ---- reading ---- */

static void set_mark(struct rules_mark *mark, const unsigned char digest[RULES_DIGEST_SIZE]) {
    uint64_t start = 0;
    for (size_t i = 0; i < sizeof start; i++) {
        start = start << 8 | digest[i];
    }
    snprintf(mark->text, sizeof mark->text, "{\"auth_rules\":\"%016llx\"}",
             (unsigned long long)start);
}

static enum muster_status take_role(void *context, const struct rules_reader *reader,
                                    const struct muster_config *item, const char *text) {
    struct rules_principal *principal = context;
    if (strlen(text) > RULES_TEXT_MAX) {
        return rules_complain(reader, item, "roles: is too long; allowed are 1 to 256 bytes");
    }
    principal->roles[principal->shown.role_count++] = rules_dup(text);
    return MUSTER_OK;
}

static enum muster_status read_roles(struct rules_principal *principal,
                                     const struct rules_reader *reader,
                                     const struct muster_config *node) {
    if (rules_shape(reader, node) == RULES_NOTHING) {
        return MUSTER_OK;
    }
    size_t count = rules_count(reader, node);
    principal->roles = rules_calloc(count <= RULES_ROLES_MAX ? count : 1, sizeof(char *));
    return rules_read_each(reader, node, "roles", RULES_ROLES_MAX, take_role, principal);
}

/* The sentence does not repeat the text: it may be a token in plain. */
static enum muster_status take_hash(void *context, const struct rules_reader *reader,
                                    const struct muster_config *item, const char *text) {
    struct rules_principal *principal = context;
    if (!rules_hash_read(text, &principal->hashes[principal->hash_count])) {
        return rules_complain(reader, item,
                              "token: is no salted hash; allowed is sha256:<salt>:<hash> as "
                              "`musterctl token new` prints it");
    }
    set_mark(&principal->marks[principal->hash_count],
             principal->hashes[principal->hash_count].digest);
    principal->hash_count++;
    return MUSTER_OK;
}

static enum muster_status read_hashes(struct rules_principal *principal,
                                      const struct rules_reader *reader,
                                      const struct muster_config *node) {
    if (node == NULL) {
        return MUSTER_OK;
    }
    if (!rules_token_name_valid(principal->name)) {
        return rules_complain(reader, node,
                              "token: the name of who has one is 1 to 128 bytes of A-Z a-z 0-9 _ ~ "
                              "@ | + = - without a dot, since a dot ends the name in a token");
    }
    size_t count = rules_count(reader, node);
    count = count <= RULES_HASHES_MAX ? count : 1;
    principal->hashes = rules_calloc(count, sizeof(struct rules_hash));
    principal->marks = rules_calloc(count, sizeof(struct rules_mark));
    return rules_read_each(reader, node, "token", RULES_HASHES_MAX, take_hash, principal);
}

static enum muster_status read_kind(struct rules_principal *principal,
                                    const struct rules_reader *reader,
                                    const struct muster_config *whole,
                                    const struct muster_config *node) {
    size_t index = 0;
    if (node == NULL) {
        return rules_complain(reader, whole,
                              "kind: is missing; allowed are instance, user and operator");
    }
    /* Nobody is anonymous by a token. */
    enum muster_status status = rules_read_word(reader, node, "kind", rules_kinds + 1, &index);
    principal->shown.kind = (enum muster_principal_kind)(index + 1);
    return status;
}

static enum muster_status read_instance(struct rules_principal *principal,
                                        const struct rules_reader *reader,
                                        const struct muster_config *node) {
    const char *text = NULL;
    if (node == NULL) {
        text = principal->shown.kind == MUSTER_PRINCIPAL_INSTANCE ? principal->name : NULL;
    } else {
        text = reader->host->config_text(reader->plugin, node);
        if (text == NULL || (strcmp(text, "*") != 0 && !is_id(text))) {
            return rules_complain(reader, node,
                                  "instance: is no id; allowed is the id of the instance that it "
                                  "is bound to, or \"*\": not bound");
        }
    }
    principal->instance = text != NULL && strcmp(text, "*") != 0 ? rules_dup(text) : NULL;
    return MUSTER_OK;
}

static enum muster_status read_rest(struct rules_principal *principal,
                                    const struct rules_reader *reader,
                                    const struct muster_config *certificate,
                                    const struct muster_config *expires) {
    const char *text = NULL;
    if (certificate != NULL) {
        enum muster_status status =
            rules_read_text(reader, certificate, "certificate", RULES_TEXT_MAX, &text);
        if (status != MUSTER_OK) {
            return status;
        }
        unsigned char digest[RULES_DIGEST_SIZE] = {0};
        (void)EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
        set_mark(&principal->certified, digest);
        principal->certificate = rules_dup(text);
    }
    if (expires != NULL) {
        text = reader->host->config_text(reader->plugin, expires);
        if (text == NULL || !rules_date_read(text, &principal->shown.expires_at)) {
            return rules_complain(reader, expires,
                                  "expires: is no date; allowed is one of RFC 3339 such as "
                                  "2027-01-31T12:00:00Z or 2027-01-31");
        }
    }
    return MUSTER_OK;
}

static enum muster_status read_principal(struct rules_principal *principal,
                                         struct rules_reader *reader,
                                         const struct muster_config *node, const char *name) {
    static const char *const keys[] = {"token", "certificate", "kind", "instance",
                                       "roles", "expires",     NULL};
    const struct muster_config *found[sizeof keys / sizeof keys[0] - 1];
    snprintf(reader->where, sizeof reader->where, "principals: %.128s: ", name);
    if (!is_id(name)) {
        return rules_complain(reader, node,
                              "the name is no id; allowed are 1 to 128 bytes of A-Z a-z 0-9 . _ ~ "
                              "@ | + = -");
    }
    enum muster_status status = rules_check_keys(reader, node, keys);
    if (status != MUSTER_OK) {
        return status;
    }
    for (size_t i = 0; keys[i] != NULL; i++) {
        found[i] = reader->host->config_get(reader->plugin, node, keys[i]);
    }
    if (found[0] == NULL && found[1] == NULL) {
        return rules_complain(reader, node, "has neither token nor certificate: nobody can be it");
    }
    principal->name = rules_dup(name);
    status = read_hashes(principal, reader, found[0]);
    status = status == MUSTER_OK ? read_kind(principal, reader, node, found[2]) : status;
    status = status == MUSTER_OK ? read_instance(principal, reader, found[3]) : status;
    status = status == MUSTER_OK ? read_roles(principal, reader, found[4]) : status;
    status = status == MUSTER_OK ? read_rest(principal, reader, found[1], found[5]) : status;
    principal->shown.id = principal->name;
    principal->shown.instance = principal->instance;
    principal->shown.roles = (const char *const *)principal->roles;
    return status;
}

/* ---- the table ---- */

static int by_name(const void *one, const void *other) {
    return strcmp(((const struct rules_principal *)one)->name,
                  ((const struct rules_principal *)other)->name);
}

static int by_certificate(const void *one, const void *other) {
    return strcmp((*(const struct rules_principal *const *)one)->certificate,
                  (*(const struct rules_principal *const *)other)->certificate);
}

static enum muster_status sort(struct rules_principals *out, struct rules_reader *reader,
                               const struct muster_config *node) {
    qsort(out->items, out->count, sizeof out->items[0], by_name);
    out->certified = rules_calloc(out->count, sizeof(struct rules_principal *));
    for (size_t i = 0; i < out->count; i++) {
        if (out->items[i].certificate != NULL) {
            out->certified[out->certified_count++] = &out->items[i];
        }
    }
    qsort(out->certified, out->certified_count, sizeof(struct rules_principal *), by_certificate);
    for (size_t i = 1; i < out->certified_count; i++) {
        if (by_certificate(&out->certified[i - 1], &out->certified[i]) == 0) {
            return rules_complain(reader, node,
                                  "'%.64s' and '%.64s' have the same certificate; allowed is one "
                                  "principal for each",
                                  out->certified[i - 1]->name, out->certified[i]->name);
        }
    }
    return MUSTER_OK;
}

enum muster_status rules_principals_read(struct rules_principals *out, struct rules_reader *reader,
                                         const struct muster_config *node) {
    enum rules_shape shape = rules_shape(reader, node);
    enum muster_status status = MUSTER_OK;
    memset(out, 0, sizeof *out);
    snprintf(reader->where, sizeof reader->where, "principals: ");
    size_t count = shape == RULES_NOTHING ? 0 : reader->host->config_count(reader->plugin, node);
    if ((shape != RULES_NOTHING && shape != RULES_MAPPING) || count > RULES_PRINCIPALS_MAX) {
        return rules_complain(reader, node,
                              "is no mapping of at most %d names; allowed is {name: {...}, ...}",
                              RULES_PRINCIPALS_MAX);
    }
    out->items = rules_calloc(count, sizeof out->items[0]);
    for (size_t i = 0; status == MUSTER_OK && i < count; i++) {
        status = read_principal(&out->items[out->count++], reader,
                                reader->host->config_item(reader->plugin, node, i),
                                reader->host->config_key(reader->plugin, node, i));
    }
    if (status == MUSTER_OK) {
        snprintf(reader->where, sizeof reader->where, "principals: ");
        status = sort(out, reader, node);
    }
    if (status != MUSTER_OK) {
        rules_principals_deinit(out);
    }
    return status;
}

void rules_principals_deinit(struct rules_principals *principals) {
    for (size_t i = 0; i < principals->count; i++) {
        struct rules_principal *one = &principals->items[i];
        for (size_t j = 0; j < one->shown.role_count; j++) {
            free(one->roles[j]);
        }
        free(one->roles);
        free(one->name);
        free(one->instance);
        free(one->certificate);
        free(one->hashes);
        free(one->marks);
    }
    free(principals->items);
    free(principals->certified);
    memset(principals, 0, sizeof *principals);
}

const struct rules_principal *rules_principals_find(const struct rules_principals *principals,
                                                    const char *name) {
    struct rules_principal key = {.name = (char *)(uintptr_t)name};
    return principals->count > 0 ? bsearch(&key, principals->items, principals->count,
                                           sizeof principals->items[0], by_name)
                                 : NULL;
}
