/* links.h - the harness' side of the proxy: names of links, and what is done to them. */
#ifndef CH_LINKS_H
#define CH_LINKS_H

#include "lib/process.h"

enum { CH_MOST_LINKS = 40 };

struct ch_link {
    char name[24];
    char listen[160]; /* for programs: as the URL that was given, but to the proxy */
    char source[96];  /* for the proxy: unix:///path or 127.0.0.1:port */
    char target[96];
};

struct ch_links {
    struct mt_world *world;
    struct mt_process *process;
    struct ch_link list[CH_MOST_LINKS];
    int count;
    int control; /* file descriptor */
};

/* A link to `target`, a URL with or without a log-in: by unix socket to one, by TCP to rediss://.
 * Returns its number. To be called before ch_links_start(). */
int ch_links_add(struct ch_links *links, struct mt_world *world, const char *target,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Starts the proxy; returns once it can be told. */
void ch_links_start(struct ch_links *links);
void ch_links_close(struct ch_links *links);
/* A line of proxy.h; returns when it was obeyed. */
void ch_links_tell(struct ch_links *links, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
