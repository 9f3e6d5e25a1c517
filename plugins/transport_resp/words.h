/* words.h - the words of an inline request, with the quoting of Redis.
 *
 * Words are set apart by spaces and tabs. In "..." stand \n \r \t \b \a \xHH, and a backslash makes
 * any other byte plain; in '...' only \' is special. A quote that opens must close, and behind it
 * comes a space or the end.
 */
#ifndef RESP_WORDS_H
#define RESP_WORDS_H

#include <stddef.h>

enum resp_word {
    RESP_WORD,            /* one more */
    RESP_WORD_NONE,       /* the line is over */
    RESP_WORD_UNBALANCED, /* a quote that does not close, or something right behind one that did */
};

struct resp_words {
    char *write;
    const char *read, *end;
};

/* `line` has a NUL at line[length] and is overwritten: the words, one behind the other, each with
 * its NUL. They are never longer than the line was. */
void resp_words_init(struct resp_words *words, char *line, size_t length);
/* *length: bytes of the word. */
enum resp_word resp_words_next(struct resp_words *words, size_t *length);

#endif
