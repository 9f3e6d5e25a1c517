/* watch.h - waits for events and looks at the clock. */
#ifndef MB_WATCH_H
#define MB_WATCH_H

#include "server.h"

/* Subscribes to a channel of the namespace, such as "events:instances". */
struct mb_pipe *mb_watch_open(struct mb_server *server, const char *channel);
/* ms from `start` (mb_seconds()) to the next message that holds both texts; ends the benchmark
 * when none comes in `deadline_s`. */
double mb_watch_for(struct mb_pipe *watch, double start, const char *text, const char *and_text,
                    int deadline_s);
/* When each of `expected` sessions had a new leader, in ms since `start`; `pipe` is subscribed to
 * their channels, by pattern or by name. */
void mb_watch_leaders(struct mb_pipe *pipe, double start, double *times, size_t expected,
                      int deadline_s);

#endif
