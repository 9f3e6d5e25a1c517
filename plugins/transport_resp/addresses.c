/* addresses.c - how many sockets each IP address has. */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

struct address {
    size_t sockets;
    char text[48];
};

static int compare(const void *left, const void *right) {
    return strcmp(((const struct address *)left)->text, ((const struct address *)right)->text);
}

static struct address *find(const struct resp_server *server, const char *text) {
    struct address wanted = {0};
    strncpy(wanted.text, text, sizeof wanted.text - 1);
    struct address *const *found = tfind(&wanted, &server->addresses, compare);
    return found != NULL ? *found : NULL;
}

bool resp_address_enter(struct resp_server *server, const char *address) {
    size_t most = server->door.settings.max_sockets_per_address;
    struct address *entry = find(server, address);
    if (entry != NULL && most > 0 && entry->sockets >= most) {
        return false;
    }
    if (entry == NULL) {
        entry = resp_need(calloc(1, sizeof *entry));
        strncpy(entry->text, address, sizeof entry->text - 1);
        (void)resp_need(tsearch(entry, &server->addresses, compare));
    }
    entry->sockets++;
    return true;
}

void resp_address_leave(struct resp_server *server, const char *address) {
    struct address *entry = find(server, address);
    if (entry != NULL && --entry->sockets == 0) {
        tdelete(entry, &server->addresses, compare);
        free(entry);
    }
}
