#include "keys.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define RSA_BITS_MAX 16384
#define KID_MAX 512

/* What the reading of one file shares. */
struct reader {
    struct jwt_keys *keys;
    size_t index; /* of the key that is read, from 1 */
    char *wrong;
    size_t room;
};

static bool refuse(const struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool refuse(const struct reader *reader, const char *format, ...) {
    va_list arguments;
    int used = 0;
    if (reader->index > 0) {
        used = snprintf(reader->wrong, reader->room, "key %zu ", reader->index);
    }
    va_start(arguments, format);
    /* The analyzer loses va_start() when it inlines a variadic function. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    vsnprintf(reader->wrong + used, reader->room - (size_t)used, format, arguments);
    va_end(arguments);
    return false;
}

static const char *text_of(const json_t *jwk, const char *name) {
    return json_string_value(json_object_get(jwk, name));
}

/* ---- one key ---- */

static bool optional_texts(const struct reader *reader, const json_t *jwk) {
    static const char *const names[] = {"kid", "use", "alg"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *value = json_object_get(jwk, names[i]);
        if (value != NULL && (!json_is_string(value) || json_string_length(value) > KID_MAX)) {
            return refuse(reader, "has a %s that is no text of at most %d bytes", names[i],
                          KID_MAX);
        }
    }
    return true;
}

/* `use` and `key_ops` (RFC 7517, 4.2 and 4.3). A shared secret that may sign may also verify. */
static bool may_verify(const json_t *jwk, enum jwt_key_type type) {
    const json_t *operations = json_object_get(jwk, "key_ops");
    const char *use = text_of(jwk, "use");
    bool allowed = operations == NULL;
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const char *operation = json_string_value(json_array_get(operations, i));
        allowed = allowed || (operation != NULL &&
                              (strcmp(operation, "verify") == 0 ||
                               (type == JWT_KEY_SECRET && strcmp(operation, "sign") == 0)));
    }
    return allowed && (use == NULL || strcmp(use, "sig") == 0);
}

/* Every member that holds a number must be base64url in its one form, and of the size wanted
 * (0: any). */
static bool number(const struct reader *reader, const json_t *jwk, const char *name, size_t wanted,
                   char **bytes, size_t *size) {
    const json_t *value = json_object_get(jwk, name);
    *bytes = NULL;
    if (!json_is_string(value) ||
        !jwt_base64_decode(json_string_value(value), json_string_length(value), bytes, size) ||
        *size == 0 || (wanted != 0 && *size != wanted)) {
        jwt_wipe_free(bytes, *size);
        return refuse(reader, "has no good %s", name);
    }
    return true;
}

/* With an exponent of 1 every text would be its own signature. */
static bool good_exponent(const char *bytes, size_t size) {
    unsigned char last = (unsigned char)bytes[size - 1];
    bool large = last >= 3;
    for (size_t i = 0; i + 1 < size; i++) {
        large = large || bytes[i] != 0;
    }
    return large && last % 2 == 1 && size <= 8;
}

static bool check_rsa(const struct reader *reader, const json_t *jwk) {
    char *bytes = NULL;
    size_t size = 0;
    if (!number(reader, jwk, "n", 0, &bytes, &size)) {
        return false;
    }
    jwt_wipe_free(&bytes, size);
    if (!number(reader, jwk, "e", 0, &bytes, &size)) {
        return false;
    }
    bool good = good_exponent(bytes, size);
    jwt_wipe_free(&bytes, size);
    return good || refuse(reader, "has no good e");
}

/* 0: a curve that is not known here. */
static size_t curve_bits(const json_t *jwk) {
    static const struct {
        const char *name;
        size_t bits;
    } curves[] = {{"P-256", 256}, {"P-384", 384}, {"P-521", 521}};
    const char *name = text_of(jwk, "crv");
    for (size_t i = 0; name != NULL && i < sizeof curves / sizeof curves[0]; i++) {
        if (strcmp(curves[i].name, name) == 0) {
            return curves[i].bits;
        }
    }
    return 0;
}

static bool check_ec(const struct reader *reader, const json_t *jwk) {
    static const char *const names[] = {"x", "y"};
    for (size_t i = 0; i < 2; i++) {
        char *bytes = NULL;
        size_t size = 0;
        if (!number(reader, jwk, names[i], (curve_bits(jwk) + 7) / 8, &bytes, &size)) {
            return false;
        }
        jwt_wipe_free(&bytes, size);
    }
    return true;
}

static bool check_secret(const struct reader *reader, const json_t *jwk) {
    char *bytes = NULL;
    size_t size = 0;
    if (!number(reader, jwk, "k", 0, &bytes, &size)) {
        return false;
    }
    jwt_wipe_free(&bytes, size);
    return true;
}

/* False: unknown here, to be skipped. */
static bool type_of(const json_t *jwk, enum jwt_key_type *type) {
    const char *name = text_of(jwk, "kty");
    if (strcmp(name, "RSA") == 0) {
        *type = JWT_KEY_RSA;
    } else if (strcmp(name, "EC") == 0) {
        *type = JWT_KEY_EC;
        return curve_bits(jwk) != 0;
    } else if (strcmp(name, "oct") == 0) {
        *type = JWT_KEY_SECRET;
    } else {
        return false;
    }
    return true;
}

static bool import(const struct reader *reader, const json_t *jwk, struct jwt_key *key) {
    key->jwk = cjose_jwk_import_json((cjose_header_t *)(uintptr_t)jwk, NULL);
    if (key->jwk == NULL) {
        return refuse(reader, "is damaged");
    }
    key->bits = cjose_jwk_get_keysize(key->jwk, NULL);
    if (key->type == JWT_KEY_EC) {
        key->bits = curve_bits(jwk);
    } else if (key->type == JWT_KEY_RSA && (key->bits < 2048 || key->bits > RSA_BITS_MAX)) {
        return refuse(reader, "has %zu bits; allowed is RSA with 2048 to %d", key->bits,
                      RSA_BITS_MAX);
    } else if (key->type == JWT_KEY_SECRET && key->bits < 256) {
        return refuse(reader, "has %zu bits; allowed is a secret of at least 256", key->bits);
    }
    return true;
}

/* Of RSA and EC (RFC 7518, 6.2.2 and 6.3.2). So cjose reads only what was checked. */
static bool is_private(const json_t *jwk) {
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_object_get(jwk, names[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool add_key(struct reader *reader, const json_t *jwk) {
    struct jwt_keys *keys = reader->keys;
    struct jwt_key *key = &keys->keys[keys->count];
    if (!json_is_object(jwk) || text_of(jwk, "kty") == NULL) {
        return refuse(reader, "is no object with a kty");
    }
    if (!optional_texts(reader, jwk)) {
        return false;
    }
    if (!type_of(jwk, &key->type)) {
        keys->skipped++;
        return true;
    }
    if (is_private(jwk)) {
        return refuse(reader, "is private; only its public part belongs here");
    }
    keys->secret = keys->secret || key->type == JWT_KEY_SECRET;
    keys->count++; /* from here on it is freed with the set */
    bool good = key->type == JWT_KEY_RSA  ? check_rsa(reader, jwk)
                : key->type == JWT_KEY_EC ? check_ec(reader, jwk)
                                          : check_secret(reader, jwk);
    if (!good || !import(reader, jwk, key)) {
        return false;
    }
    const char *kid = text_of(jwk, "kid");
    const char *algorithm = text_of(jwk, "alg");
    key->verifies = may_verify(jwk, key->type);
    key->bound = algorithm != NULL;
    key->only = algorithm != NULL ? jwt_algorithm_find(algorithm) : NULL;
    key->kid = kid != NULL ? strdup(kid) : NULL;
    return kid == NULL || key->kid != NULL || refuse(reader, "does not fit into memory");
}

/* ---- the set ---- */

static bool read_set(struct reader *reader, const json_t *set) {
    const json_t *list = json_object_get(set, "keys");
    size_t count = json_array_size(list);
    if (!json_is_array(list)) {
        return refuse(reader, "has no list named keys");
    }
    if (count > JWT_KEYS_MAX) {
        return refuse(reader, "has %zu keys; at most %d are allowed", count, JWT_KEYS_MAX);
    }
    reader->keys->keys = calloc(count + 1, sizeof *reader->keys->keys);
    if (reader->keys->keys == NULL) {
        return refuse(reader, "does not fit into memory");
    }
    for (size_t i = 0; i < count; i++) {
        reader->index = i + 1;
        if (!add_key(reader, json_array_get(list, i))) {
            return false;
        }
    }
    reader->index = 0;
    return reader->keys->count > 0 || refuse(reader, "has no key that can verify a signature");
}

struct jwt_keys *jwt_keys_read(const char *text, size_t length, char *wrong, size_t room) {
    struct reader reader = {.keys = calloc(1, sizeof *reader.keys), .wrong = wrong, .room = room};
    json_t *set = NULL;
    bool good = false;
    if (reader.keys == NULL) {
        refuse(&reader, "does not fit into memory");
        return NULL;
    }
    reader.keys->references = 1;
    switch (jwt_json_read(text, length, &set)) {
    case JWT_JSON_FINE:
        good = read_set(&reader, set);
        break;
    case JWT_JSON_TWICE:
        refuse(&reader, "has a member twice");
        break;
    case JWT_JSON_BAD:
        refuse(&reader, "is not a JSON object");
        break;
    }
    jwt_json_release(&set);
    if (!good) {
        jwt_keys_unref(&reader.keys);
    }
    return reader.keys;
}

struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys) {
    keys->references++;
    return keys;
}

void jwt_keys_unref(struct jwt_keys **pointer) {
    struct jwt_keys *keys = *pointer;
    *pointer = NULL;
    if (keys == NULL || --keys->references > 0) {
        return;
    }
    for (size_t i = 0; i < keys->count; i++) {
        cjose_jwk_release(keys->keys[i].jwk);
        free(keys->keys[i].kid);
    }
    free(keys->keys);
    free(keys);
}

/* ---- finding ---- */

/* Why the key may not verify this; JWT_ACCEPTED: it may. */
static enum jwt_refusal judge(const struct jwt_key *key, const struct jwt_algorithm *algorithm) {
    if (key->type != algorithm->type) {
        return algorithm->type == JWT_KEY_SECRET ? JWT_REFUSED_PUBLIC_AS_SECRET
                                                 : JWT_REFUSED_KEY_TYPE;
    }
    if (key->type == JWT_KEY_EC && key->bits != algorithm->least_bits) {
        return JWT_REFUSED_KEY_TYPE; /* another curve */
    }
    if (!key->verifies || (key->bound && key->only != algorithm)) {
        return JWT_REFUSED_KEY_USE;
    }
    return key->bits < algorithm->least_bits ? JWT_REFUSED_KEY_SHORT : JWT_ACCEPTED;
}

enum jwt_refusal jwt_keys_find(const struct jwt_keys *keys, const char *kid,
                               const struct jwt_algorithm *algorithm, struct jwt_fitting *fitting) {
    enum jwt_refusal why = kid != NULL ? JWT_REFUSED_UNKNOWN_KID : JWT_REFUSED_NO_KEY;
    fitting->count = 0;
    for (size_t i = 0; i < keys->count; i++) {
        const struct jwt_key *key = &keys->keys[i];
        if (kid != NULL && (key->kid == NULL || strcmp(key->kid, kid) != 0)) {
            continue;
        }
        enum jwt_refusal refusal = judge(key, algorithm);
        if (refusal != JWT_ACCEPTED) {
            /* Without a kid nobody meant this key: but a secret where there are only public keys is
             * worth its own sentence. */
            why = kid != NULL || refusal == JWT_REFUSED_PUBLIC_AS_SECRET ? refusal : why;
        } else if (fitting->count == JWT_FITTING_MAX) {
            return JWT_REFUSED_AMBIGUOUS;
        } else {
            fitting->keys[fitting->count++] = key;
        }
    }
    return fitting->count > 0 ? JWT_ACCEPTED : why;
}
