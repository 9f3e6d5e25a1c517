#include "terminal.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MIN 20
#define COLUMNS_MAX 500
#define INDENT 14 /* "12:03:04.567  " */

void mu_terminal_size(size_t *columns, size_t *lines) {
    struct winsize size = {0};
    const char *text = getenv("COLUMNS");
    unsigned long said = text != NULL ? strtoul(text, NULL, 10) : 0;
    *lines = 0;
    *columns = said > 0 ? said : 80;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        *columns = size.ws_col;
        *lines = size.ws_row;
    }
    *columns = *columns < COLUMNS_MIN ? COLUMNS_MIN : *columns;
    *columns = *columns > COLUMNS_MAX ? COLUMNS_MAX : *columns;
}

/* How many bytes fit: up to the last space before the edge, or to the edge when a word is longer
 * than a line. */
static size_t fitting(const char *line, size_t length, size_t columns) {
    size_t used = 0;
    size_t space = 0;
    bool escape = false;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)line[i];
        if (byte == 0x1b) {
            escape = true;
        } else if (escape) {
            escape = byte != 'm';
        } else if ((byte & 0xc0) != 0x80) { /* the first byte of a character */
            space = byte == ' ' && i > 0 ? i : space;
            if (used++ == columns) {
                return space > 0 ? space : i;
            }
        }
    }
    return length;
}

void mu_print_line(const char *line, size_t length) {
    size_t columns = 0;
    size_t lines = 0;
    size_t indent = 0;
    mu_terminal_size(&columns, &lines);
    if (lines == 0) {
        fwrite(line, 1, length, stdout);
        putchar('\n');
        return;
    }
    do {
        size_t part = fitting(line, length, columns - indent);
        printf("%*s%.*s\n", (int)indent, "", (int)part, line);
        line += part;
        length -= part;
        while (length > 0 && *line == ' ') {
            line++;
            length--;
        }
        indent = columns > 2 * INDENT ? INDENT : 0;
    } while (length > 0);
}
