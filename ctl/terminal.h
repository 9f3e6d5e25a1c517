/* terminal.h - how large the terminal is, and lines that fit into it. */
#ifndef MU_CTL_TERMINAL_H
#define MU_CTL_TERMINAL_H

#include <stddef.h>

/* Of a terminal at stdout; without one COLUMNS, else 80, and 0 lines. */
void mu_terminal_size(size_t *columns, size_t *lines);

/* To stdout, with a newline. On a terminal one that is too long is broken between words, and what
 * follows stands below the text: events begin with the time. Colours take no room. */
void mu_print_line(const char *line, size_t length);

#endif
