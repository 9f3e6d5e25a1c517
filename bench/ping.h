/* ping.h - another client that only PINGs, and how long it had to wait. */
#ifndef MB_PING_H
#define MB_PING_H

#include <stddef.h>

struct mb_ping;

/* A thread with a connection of its own that PINGs again and again, with a short pause between. */
struct mb_ping *mb_ping_start(const char *socket);
/* Ends the thread; its samples stay. */
void mb_ping_stop(struct mb_ping *ping);
void mb_ping_destroy(struct mb_ping **ping);

/* The longest round trip, in ms, of those that were under way between two times of mb_seconds().
 * After mb_ping_stop(). */
double mb_ping_longest_ms(const struct mb_ping *ping, double from, double to);

#endif
