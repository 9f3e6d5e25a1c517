/* refusal.h - why a token is refused: one table for the sentence that the caller reads and for the
 * class that is counted. No sentence holds anything of a token. */
#ifndef JWT_REFUSAL_H
#define JWT_REFUSAL_H

/* Classes of the metrics: muster_plugin_auth_jwt_refused_<class>_total. */
#define JWT_CLASS_TABLE(X)                                                                         \
    X(MALFORMED, "malformed", "Tokens that are no well-formed signed token")                       \
    X(ALGORITHM, "algorithm", "Tokens with an algorithm that is not allowed, or none")             \
    X(KEY, "key", "Tokens that no key fits")                                                       \
    X(SIGNATURE, "signature", "Tokens with a wrong signature")                                     \
    X(TIME, "time", "Tokens that are expired, not yet valid, or without an expiry")                \
    X(ISSUER, "issuer", "Tokens of another issuer")                                                \
    X(AUDIENCE, "audience", "Tokens for another audience")                                         \
    X(CLAIMS, "claims", "Tokens whose claims do not say who it is")                                \
    X(BUSY, "busy", "Tokens that were not looked at, since too many waited")

enum jwt_class {
#define JWT_CLASS_ENUM(name, metric, help) JWT_CLASS_##name,
    JWT_CLASS_TABLE(JWT_CLASS_ENUM)
#undef JWT_CLASS_ENUM
        JWT_CLASSES /* their number */
};

#define JWT_REFUSAL_TABLE(X)                                                                       \
    X(TOO_LONG, MALFORMED, "the token is longer than max_token")                                   \
    X(PARTS, MALFORMED, "the token does not have three parts; it may be cut off")                  \
    X(ENCODING, MALFORMED, "a part of the token is not base64url")                                 \
    X(HEADER, MALFORMED, "the header of the token is not a JSON object")                           \
    X(HEADER_TWICE, MALFORMED, "the header of the token has a member twice")                       \
    X(PAYLOAD, MALFORMED, "the claims of the token are not a JSON object")                         \
    X(CLAIM_TWICE, MALFORMED, "the token has a claim twice")                                       \
    X(ENCRYPTED, MALFORMED, "the token is encrypted, which is not supported")                      \
    X(CRIT, MALFORMED, "the token demands an extension (crit), and none is supported")             \
    X(NO_ALGORITHM, MALFORMED, "the header of the token names no algorithm")                       \
    X(BAD_KID, MALFORMED, "the kid of the token is not a text")                                    \
    X(NONE, ALGORITHM, "the token is not signed (its algorithm is none)")                          \
    X(ALGORITHM, ALGORITHM, "the algorithm of the token is not in the list of those allowed")      \
    X(UNKNOWN_KID, KEY, "no key has the kid of the token")                                         \
    X(NO_KEY, KEY, "the token names no key, and none fits its algorithm")                          \
    X(AMBIGUOUS, KEY, "the token names no single key, and too many fit its algorithm")             \
    X(PUBLIC_AS_SECRET, KEY,                                                                       \
      "the token claims to be signed with a shared secret, but the key is a public one")           \
    X(KEY_TYPE, KEY, "the key that the token names is of another type than its algorithm")         \
    X(KEY_USE, KEY, "the key that the token names may not be used so (its alg, use or key_ops)")   \
    X(KEY_SHORT, KEY, "the key that the token names is too short for its algorithm")               \
    X(SIGNATURE_SIZE, SIGNATURE,                                                                   \
      "the signature of the token has a wrong length; it may be cut off")                          \
    X(SIGNATURE, SIGNATURE, "the signature of the token is wrong")                                 \
    X(NO_EXPIRY, TIME, "the token says no time at which it expires (exp)")                         \
    X(EXPIRED, TIME, "the token has expired")                                                      \
    X(NOT_YET, TIME, "the token is not valid yet")                                                 \
    X(BAD_TIME, TIME, "a time of the token (exp or nbf) is not a number")                          \
    X(ISSUER, ISSUER, "the token is of an issuer that is not accepted")                            \
    X(AUDIENCE, AUDIENCE, "the token is meant for another audience")                               \
    X(NO_USER, CLAIMS, "the token does not say whose it is")                                       \
    X(BAD_USER, CLAIMS, "the token names a user that is no id or has control characters")          \
    X(OTHER_USER, CLAIMS, "the token belongs to another user than the one asked for")              \
    X(BAD_KIND, CLAIMS,                                                                            \
      "the token says that it is neither of an instance, a user nor an operator")                  \
    X(NO_INSTANCE, CLAIMS, "the token is one of an instance, but says not of which")               \
    X(BAD_INSTANCE, CLAIMS, "the token names an instance that is no id")                           \
    X(BAD_ROLES, CLAIMS, "the roles of the token are not at most 64 texts of 1 to 256 bytes")      \
    X(BAD_SESSIONS, CLAIMS, "the session patterns of the token are not at most 64 patterns")       \
    X(BUSY, BUSY, "too many tokens wait to be verified; try again")                                \
    X(NO_MEMORY, BUSY, "there is no memory to verify the token; try again")

enum jwt_refusal {
    JWT_ACCEPTED,
#define JWT_REFUSAL_ENUM(name, kind, sentence) JWT_REFUSED_##name,
    JWT_REFUSAL_TABLE(JWT_REFUSAL_ENUM)
#undef JWT_REFUSAL_ENUM
        JWT_REFUSALS
};

/* A sentence for the caller. Static storage; NULL for JWT_ACCEPTED. */
const char *jwt_refusal_sentence(enum jwt_refusal refusal);
/* Not for JWT_ACCEPTED. */
enum jwt_class jwt_refusal_class(enum jwt_refusal refusal);

#endif
