/* screen.h - the terminal while a view fills it: the alternate screen, keys without Enter, signals
 * as events. All of it is undone at the end, also when a signal ends the program, and while it is
 * suspended (Ctrl-Z). What is written to stderr meanwhile is kept, not shown: it would tear the
 * view.
 */
#ifndef MU_CTL_TOP_SCREEN_H
#define MU_CTL_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct mu_screen;

enum mu_screen_event {
    MU_SCREEN_TIME,   /* the time that was waited for is over */
    MU_SCREEN_RESIZE, /* paint anew: the size changed, or we are back from a suspension */
    MU_SCREEN_QUIT    /* q, or a signal that ends the program */
};

/* NULL: stdin and stdout are no terminal. */
struct mu_screen *mu_screen_open(void);
void mu_screen_close(struct mu_screen **screen);

/* Shows `text`, lines ended by \n, from the first line on; what does not fit is cut. */
void mu_screen_show(struct mu_screen *screen, const struct mu_buffer *text);
enum mu_screen_event mu_screen_wait(struct mu_screen *screen, uint64_t ms);
/* The last line that was written to stderr since this was asked last; "" when there is none. */
void mu_screen_trouble(struct mu_screen *screen, char *out, size_t size);

#endif
