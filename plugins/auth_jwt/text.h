/* text.h - base64url, patterns, ids, and JSON that is wiped. Pure: any thread. */
#ifndef JWT_TEXT_H
#define JWT_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JWT_ID_MAX 128   /* bytes of an id of the model */
#define JWT_NAME_MAX 256 /* bytes of a principal's id and of a role */

/* Of the alphabet of base64url alone, and of a possible length. Nothing else may be given to cjose.
 */
bool jwt_base64_is_text(const char *text, size_t length);

/* Decodes base64url in the one form that RFC 7515 knows: no padding, no other characters, no stray
 * bits at the end. *bytes is NUL-terminated behind *size; free it with jwt_wipe_free(). False: it
 * is none (or there is no memory). The empty text is fine. */
bool jwt_base64_decode(const char *text, size_t length, char **bytes, size_t *size);

/* Wipes and frees; clears the pointer. NULL is fine. */
void jwt_wipe_free(char **bytes, size_t size);

enum jwt_json { JWT_JSON_FINE, JWT_JSON_BAD, JWT_JSON_TWICE };

/* Reads a strict JSON object: no member twice, no NUL in a text. *object is the caller's, for
 * jwt_json_release(). */
enum jwt_json jwt_json_read(const char *text, size_t length, json_t **object);

/* Wipes all texts of it, drops it and clears the pointer. The caller must hold the only reference.
 * NULL is fine. */
void jwt_json_release(json_t **json);

/* The value of a claim: the member of that very name, else `a.b` is member b of object a. NULL:
 * there is none. Borrowed. */
const json_t *jwt_json_claim(const json_t *claims, const char *path);

/* `*` in the pattern stands for any bytes, also none; nothing else is special. A `*` in the value
 * (somebody asks for a pattern) is matched by a `*` alone, so what matches lies inside. */
bool jwt_match(const char *pattern, const char *value);

/* An id of the model: 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = - */
bool jwt_is_id(const char *text);
/* The same, with `*`. */
bool jwt_is_pattern(const char *text);
/* 1 to 256 bytes without control characters. */
bool jwt_is_name(const char *text);

#endif
