/* top.h - a live view of the cluster.
 *
 * The happy path: a frame is read (read.c: from a door, or from Redis itself) - painted for the
 * size of the terminal (paint.c; pure) - shown (screen.c) - keys, signals and the next turn are
 * waited for. Rates and latencies are what two frames differ by.
 *
 * Ways to fail: what was asked breaks off, or refuses (said in the view, and tried again each turn;
 * with --once the end).
 */
#ifndef MU_CTL_TOP_TOP_H
#define MU_CTL_TOP_TOP_H

#include "base/buffer.h"
#include "base/ids.h"
#include "top/samples.h"
#include "via/door.h"

struct mu_top_row {
    char instance[MU_ID_SIZE];
    char incarnation[MU_ID_SIZE];
    bool suspect, draining;
    int64_t heartbeat_ms; /* since its last one; -1: not known */
    int64_t running_ms;   /* since its start; -1: not known */
    int64_t connections, leads;
};

/* What was seen in one moment. Numbers are -1 where they are not known. */
struct mu_top_frame {
    uint64_t at_ms;          /* our monotonic clock */
    uint64_t clock_ms;       /* since 1970, for people */
    char holder[MU_ID_SIZE]; /* "": no coordinator */
    char address[256];
    int64_t epoch, lease_ms, daemons;
    bool brake;
    int64_t up, suspect, draining;
    int64_t sessions, leaderless, connections, ghosts, ghost_connections;
    struct mu_top_row *rows; /* owned */
    size_t row_count;
    struct mu_samples *samples; /* owned; NULL: none */
};

void mu_top_frame_deinit(struct mu_top_frame *frame);

/* ---- read.c, read_redis.c ---- */

/* `via` NULL: from Redis itself. Faults are said on stderr. */
enum mu_ctl_exit mu_top_read(struct mu_ctl *ctl, struct mu_via *via, struct mu_top_frame *frame);
enum mu_ctl_exit mu_top_read_redis(struct mu_ctl *ctl, struct mu_top_frame *frame);

/* ---- paint.c ---- */

struct mu_top_canvas {
    size_t columns, lines; /* lines 0: as many as it takes */
    bool colour;
    const char *title;   /* what is asked */
    const char *trouble; /* a sentence below the first line; "": none */
};

/* Appends the view, lines ended by \n; no line is longer than `columns`. `before` NULL: there are
 * no rates yet. `now` NULL: nothing was ever read. Sorts the rows of `now`. */
void mu_top_paint(struct mu_buffer *out, const struct mu_top_canvas *canvas,
                  struct mu_top_frame *now, const struct mu_top_frame *before);

#endif
