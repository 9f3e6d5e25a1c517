#include "token.h"

#include <cjose/jws.h>
#include <string.h>
#include <strings.h>

#define HEADER_MAX 4096 /* characters of the first part */

/* The three parts, as they came. */
struct parts {
    const char *header;
    size_t header_length;
    const char *payload;
    size_t payload_length;
    const char *signature;
    size_t signature_length;
};

/* Does the part begin an object; with `whole`, is it one from brace to brace? */
static bool is_object(const char *part, size_t length, bool whole) {
    static const char space[] = " \t\r\n";
    char *bytes = NULL;
    size_t size = 0;
    bool object =
        jwt_base64_decode(part, length, &bytes, &size) && bytes[strspn(bytes, space)] == '{';
    size_t end = size;
    while (object && whole && end > 0 && strchr(space, bytes[end - 1]) != NULL) {
        end--;
    }
    object = object && (!whole || bytes[end - 1] == '}');
    jwt_wipe_free(&bytes, size);
    return object;
}

bool jwt_token_is_one(const char *token, size_t length) {
    size_t most = length < HEADER_MAX ? length : HEADER_MAX;
    const char *dot = memchr(token, '.', most);
    if (dot == NULL || dot - token < 4) {
        return false;
    }
    const char *rest = dot + 1;
    bool several = memchr(rest, '.', length - (size_t)(rest - token)) != NULL;
    /* With one dot it is a token that was cut off, or one such as "ezra.<secret>" of somebody else:
     * there the part must be all of a header. */
    return several ? is_object(token, 4, false) : is_object(token, (size_t)(dot - token), true);
}

/* Encrypted ones have five parts. */
static enum jwt_refusal split(const char *token, size_t length, struct parts *parts) {
    const char *end = token + length;
    const char *dots[4];
    size_t count = 0;
    for (const char *at = token; at < end; at++) {
        if (*at == '.') {
            if (count == 4) {
                return JWT_REFUSED_PARTS;
            }
            dots[count++] = at;
        }
    }
    if (count != 2) {
        return count == 4 ? JWT_REFUSED_ENCRYPTED : JWT_REFUSED_PARTS;
    }
    *parts = (struct parts){token,       (size_t)(dots[0] - token),
                            dots[0] + 1, (size_t)(dots[1] - dots[0] - 1),
                            dots[1] + 1, (size_t)(end - dots[1] - 1)};
    return jwt_base64_is_text(parts->header, parts->header_length) &&
                   jwt_base64_is_text(parts->payload, parts->payload_length) &&
                   jwt_base64_is_text(parts->signature, parts->signature_length)
               ? JWT_ACCEPTED
               : JWT_REFUSED_ENCODING;
}

static enum jwt_refusal read_object(const char *text, size_t length, enum jwt_refusal bad,
                                    enum jwt_refusal twice, json_t **object) {
    char *bytes = NULL;
    size_t size = 0;
    if (!jwt_base64_decode(text, length, &bytes, &size)) {
        return JWT_REFUSED_ENCODING;
    }
    enum jwt_json result = jwt_json_read(bytes, size, object);
    jwt_wipe_free(&bytes, size);
    return result == JWT_JSON_FINE ? JWT_ACCEPTED : result == JWT_JSON_TWICE ? twice : bad;
}

/* ---- the header ---- */

/* `jwk`, `jku`, `x5c` and the like are never looked at: a token does not bring its own key. */
static enum jwt_refusal choose(const struct jwt_settings *settings, const struct jwt_keys *keys,
                               const json_t *header, const struct jwt_algorithm **algorithm,
                               struct jwt_fitting *fitting) {
    const char *name = json_string_value(json_object_get(header, "alg"));
    const json_t *kid = json_object_get(header, "kid");
    if (json_object_get(header, "enc") != NULL) {
        return JWT_REFUSED_ENCRYPTED;
    }
    if (json_object_get(header, "crit") != NULL) {
        return JWT_REFUSED_CRIT;
    }
    if (name == NULL) {
        return JWT_REFUSED_NO_ALGORITHM;
    }
    if (strcasecmp(name, "none") == 0) {
        return JWT_REFUSED_NONE;
    }
    *algorithm = jwt_algorithm_find(name);
    if (*algorithm == NULL || (settings->algorithms & (*algorithm)->bit) == 0) {
        return JWT_REFUSED_ALGORITHM;
    }
    if (kid != NULL && !json_is_string(kid)) {
        return JWT_REFUSED_BAD_KID;
    }
    return jwt_keys_find(keys, json_string_value(kid), *algorithm, fitting);
}

/* ---- the signature ---- */

/* cjose's copy of the claims can be reached, and is wiped. Those of the encoded parts cannot:
 * musterd overwrites whatever is freed. */
static void release(cjose_jws_t *jws) {
    uint8_t *payload = NULL;
    size_t size = 0;
    if (jws != NULL && cjose_jws_get_plaintext(jws, &payload, &size, NULL)) {
        explicit_bzero(payload, size);
    }
    cjose_jws_release(jws);
}

/* With one key. cjose is given a fresh import for each: some of its versions lose memory when they
 * verify the same one twice. */
static bool holds(const char *token, size_t length, const struct jwt_key *key) {
    cjose_jws_t *jws = cjose_jws_import(token, length, NULL);
    bool good = jws != NULL && cjose_jws_verify(jws, key->jwk, NULL);
    release(jws);
    return good;
}

static enum jwt_refusal check_signature(const char *token, size_t length, const struct parts *parts,
                                        const struct jwt_algorithm *algorithm,
                                        const struct jwt_fitting *fitting) {
    char *bytes = NULL;
    size_t size = 0;
    enum jwt_refusal refusal = JWT_REFUSED_SIGNATURE_SIZE;
    if (!jwt_base64_decode(parts->signature, parts->signature_length, &bytes, &size)) {
        return JWT_REFUSED_ENCODING;
    }
    jwt_wipe_free(&bytes, size);
    for (size_t i = 0; i < fitting->count; i++) {
        const struct jwt_key *key = fitting->keys[i];
        size_t wanted =
            algorithm->signature_size > 0 ? algorithm->signature_size : (key->bits + 7) / 8;
        if (size != wanted) {
            continue;
        }
        refusal = JWT_REFUSED_SIGNATURE;
        if (holds(token, length, key)) {
            return JWT_ACCEPTED;
        }
    }
    return refusal;
}

/* ---- all of it ---- */

/* The claims are read only when the signature holds. */
static enum jwt_refusal verify(const struct jwt_settings *settings, const struct jwt_keys *keys,
                               const char *token, size_t length, json_t **header, json_t **claims) {
    struct parts parts;
    const struct jwt_algorithm *algorithm = NULL;
    struct jwt_fitting fitting;
    enum jwt_refusal refusal = split(token, length, &parts);
    if (refusal == JWT_ACCEPTED) {
        refusal = read_object(parts.header, parts.header_length, JWT_REFUSED_HEADER,
                              JWT_REFUSED_HEADER_TWICE, header);
    }
    if (refusal == JWT_ACCEPTED) {
        refusal = choose(settings, keys, *header, &algorithm, &fitting);
    }
    if (refusal == JWT_ACCEPTED) {
        refusal = check_signature(token, length, &parts, algorithm, &fitting);
    }
    if (refusal == JWT_ACCEPTED) {
        refusal = read_object(parts.payload, parts.payload_length, JWT_REFUSED_PAYLOAD,
                              JWT_REFUSED_CLAIM_TWICE, claims);
    }
    return refusal;
}

enum jwt_refusal jwt_token_verify(const struct jwt_settings *settings, const struct jwt_keys *keys,
                                  const char *token, size_t length, enum muster_purpose purpose,
                                  const char *requested, uint64_t now_ms,
                                  struct jwt_identity *identity) {
    json_t *header = NULL;
    json_t *claims = NULL;
    if (length > settings->max_token) {
        return JWT_REFUSED_TOO_LONG;
    }
    enum jwt_refusal refusal = verify(settings, keys, token, length, &header, &claims);
    if (refusal == JWT_ACCEPTED) {
        refusal = jwt_identity_read(settings, claims, purpose, requested, now_ms, identity);
    }
    jwt_json_release(&header);
    jwt_json_release(&claims);
    return refusal;
}
