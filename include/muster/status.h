/* status.h - the error codes of muster.
 *
 * One table is the source of the C enum, of the words on the wire and of the documentation.
 * The wire word is the enum name without its prefix: MUSTER_BAD_ID is `BAD_ID`. A Redis error
 * reply of muster begins with that word, followed by a sentence for a person.
 *
 * The last column says whether the very same request may succeed when it is repeated later.
 */
#ifndef MUSTER_STATUS_H
#define MUSTER_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*      name                 retry  meaning */
#define MUSTER_STATUS_TABLE(X)                                                                     \
    X(BAD_REQUEST, false, "the request is malformed")                                              \
    X(BAD_ID, false, "an id is empty, longer than 128 bytes or has a byte that ids may not have")  \
    X(BAD_JSON, false, "an options, profile or meta argument is not a strict JSON object")         \
    X(TOO_LARGE, false, "an argument is larger than its limit")                                    \
    X(UNKNOWN_INSTANCE, false, "the instance is not registered; start it with a new incarnation")  \
    X(STALE_INCARNATION, false, "another incarnation of this instance took its place")             \
    X(UNKNOWN_CONNECTION, false, "the connection is not registered")                               \
    X(CONNECTION_TAKEN, false, "the connection id belongs to a live connection elsewhere")         \
    X(TOO_MANY_SESSIONS, false, "the connection is in as many sessions as it may be")              \
    X(UNKNOWN_SESSION, false, "the session does not exist")                                        \
    X(NOT_MEMBER, false, "the connection is not a member of the session")                          \
    X(NOT_ELIGIBLE, false, "the member may not lead now")                                          \
    X(SESSION_FULL, true, "the session has as many members as its limit allows")                   \
    X(BAD_TOKEN, false, "the resume secret does not match")                                        \
    X(DRAINING, true, "the instance takes no new connections")                                     \
    X(DENIED, false, "not allowed")                                                                \
    X(UNAUTHENTICATED, false, "who asks is not known")                                             \
    X(ALIVE, false, "the instance has been heard since the verdict was formed")                    \
    X(STALE_EPOCH, false, "this coordinator no longer holds the lease")                            \
    X(STALE_TERM, false, "leadership has changed since the given term")                            \
    X(RATE_LIMITED, true, "too many requests, or more than a quota allows")                        \
    X(OVERLOADED, true, "a queue is full")                                                         \
    X(UNAVAILABLE, true, "the data is not confirmed yet, or Redis cannot be reached")              \
    X(TIMEOUT, true, "no answer in time; the outcome is unknown and repeating is safe")            \
    X(INTERNAL, false, "a fault inside muster or damaged data")

enum muster_status {
    MUSTER_OK = 0,
#define MUSTER_STATUS_ENUM(name, retry, meaning) MUSTER_##name,
    MUSTER_STATUS_TABLE(MUSTER_STATUS_ENUM)
#undef MUSTER_STATUS_ENUM
        MUSTER_STATUS_COUNT
};

/* The functions below are the daemon's and its tools': a plugin cannot link them, and makes what it
 * needs from MUSTER_STATUS_TABLE. */

/* The word on the wire, `OK` for MUSTER_OK. Static storage; never NULL; does not block. */
const char *muster_status_code(enum muster_status status);

/* The meaning as one sentence without a full stop. Static storage; never NULL. */
const char *muster_status_meaning(enum muster_status status);

/* May the same request succeed if it is repeated later? */
bool muster_status_retry(enum muster_status status);

/* Reads the first word of `text` (up to a space or `length` bytes). False, and *status
 * untouched, when it is no code of the table. */
bool muster_status_parse(const char *text, size_t length, enum muster_status *status);

#ifdef __cplusplus
}
#endif
#endif
