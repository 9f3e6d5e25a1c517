#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

enum muster_status mu_report_write(const char *path, const json_t *report, struct mu_error *error) {
    struct mu_buffer temporary;
    mu_buffer_init(&temporary, 0);
    if (!mu_buffer_printf(&temporary, "%s.tmp.%ld", path, (long)getpid()))
        abort();
    enum muster_status status = MUSTER_OK;
    FILE *file = fopen(temporary.data, "we");
    bool written = file && json_dumpf(report, file, JSON_COMPACT) == 0 && fputc('\n', file) > 0;
    if (file && fclose(file) != 0)
        written = false;
    if (!written || rename(temporary.data, path) != 0) {
        status = mu_error_set(error, MUSTER_INTERNAL, "%s: %s", path, strerror(errno));
        unlink(temporary.data);
    }
    mu_buffer_deinit(&temporary);
    return status;
}
