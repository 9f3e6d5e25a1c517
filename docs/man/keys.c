/* keys.c - prints the keys of the configuration as scdoc, for muster.yaml(5): the page says what
 * the table says. Run by the build. */
#include <inttypes.h>
#include <stdio.h>

#include "config/keys.h"

static const char *const types[] = {
    [MU_TYPE_TEXT] = "text",         [MU_TYPE_WORD] = "word",
    [MU_TYPE_ENUM] = "word",         [MU_TYPE_INTEGER] = "whole number",
    [MU_TYPE_SIZE] = "size",         [MU_TYPE_DURATION] = "duration",
    [MU_TYPE_FRACTION] = "fraction", [MU_TYPE_LIST] = "list of texts",
    [MU_TYPE_TREE] = "list",
};

/* With what scdoc takes as markup escaped. */
static void put(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '_' || *text == '*' || *text == '\\' || *text == '<' || *text == '[' ||
            *text == '#') {
            putchar('\\');
        }
        putchar(*text);
    }
}

static void put_words(const struct mu_config_key *key) {
    for (size_t i = 0; key->words[i] != NULL; i++) {
        printf("%s", i == 0 ? "" : key->words[i + 1] == NULL ? " or " : ", ");
        put(key->words[i]);
    }
}

static void put_key(const struct mu_config_key *key) {
    putchar('*');
    put(key->name);
    printf("* (");
    if (key->words != NULL) {
        put_words(key);
    } else {
        fputs(types[key->type], stdout);
        if (key->type == MU_TYPE_INTEGER) {
            printf(", %" PRIu64 " to %" PRIu64, key->least, key->most);
        }
    }
    printf("%s; default ", key->secret ? ", a secret" : "");
    put(key->fallback[0] != '\0' ? key->fallback : "empty");
    printf(")\n\t");
    put(key->comment);
    printf(".\n\n");
}

int main(void) {
    for (size_t i = 0; i < mu_config_key_count; i++) {
        put_key(&mu_config_keys[i]);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
