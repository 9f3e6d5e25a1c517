#include "door.h"

#include <stdlib.h>
#include <string.h>

#include "session.h"

void *resp_need(void *memory) {
    if (memory == NULL) {
        abort();
    }
    return memory;
}

char *resp_copy(const char *data, size_t length) {
    char *copy = resp_need(malloc(length + 1));
    memcpy(copy, data, length);
    copy[length] = '\0';
    return copy;
}

void resp_wipe(char *data, size_t length) {
    if (data != NULL) {
        explicit_bzero(data, length);
        free(data);
    }
}

void resp_door_init(struct resp_door *door, struct muster_plugin *plugin,
                    const struct muster_host *host, const struct resp_settings *settings) {
    *door = (struct resp_door){.plugin = plugin, .host = host, .settings = *settings};
    door->operations = host->operations(plugin, &door->operation_count);
    door->unconfirmed_last = &door->unconfirmed;
    resp_operations_index(door);
    door->started_at = host->now_ms(plugin);
    resp_counts_init(&door->counts, plugin, host);
}

void resp_door_deinit(struct resp_door *door) {
    door->settings.rate = door->settings.rate_burst = 0; /* every bucket is full */
    resp_rate_sweep(door);
}
