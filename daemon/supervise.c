#include "supervise.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sd_notify.h"

#define TEXT_MAX 512

struct mu_supervise {
    struct mu_log *log;
    struct mu_sd_notify *notify; /* NULL: there is no service manager */
    uint64_t ping_ms;            /* 0: no watchdog */
    uv_timer_t timer;
    bool ready;
    bool refused; /* it has been said */
};

static void send_text(struct mu_supervise *self, const char *text) {
    if (!mu_sd_notify_send(self->notify, text) && !self->refused) {
        self->refused = true;
        MU_LOG(self->log, MU_LOG_WARN, "supervisor.deaf", MU_STR("text", text),
               MU_STR("message", "the service manager did not take this; it is said once"));
    }
}

static void on_timer(uv_timer_t *timer) {
    send_text(timer->data, "WATCHDOG=1");
}

/* The variables are for this process alone. */
static void take_environment(struct mu_supervise *self) {
    struct mu_error error = {0};
    self->notify = mu_sd_notify_open(getenv("NOTIFY_SOCKET"), &error);
    if (self->notify != NULL) {
        self->ping_ms =
            mu_sd_notify_watchdog_ms(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), getpid());
    } else if (error.status != MUSTER_OK) {
        MU_LOG(self->log, MU_LOG_WARN, "supervisor.unusable", MU_STR("error", error.text));
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

struct mu_supervise *mu_supervise_create(uv_loop_t *loop, struct mu_log *log) {
    struct mu_supervise *self = mu_calloc(1, sizeof *self);
    self->log = log;
    take_environment(self);
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    uv_unref((uv_handle_t *)&self->timer);
    return self;
}

/* Of one line, with `first` in front of it. */
static void tell(struct mu_supervise *self, const char *first, const char *status) {
    char text[TEXT_MAX];
    int length = (int)strcspn(status, "\r\n");
    snprintf(text, sizeof text, "%sSTATUS=%.*s", first, length, status);
    send_text(self, text);
}

void mu_supervise_ready(struct mu_supervise *self, const char *status) {
    if (self == NULL) {
        return;
    }
    tell(self, self->ready ? "" : "READY=1\n", status);
    self->ready = true;
    if (self->ping_ms > 0 && !uv_is_active((uv_handle_t *)&self->timer)) {
        uv_timer_start(&self->timer, on_timer, 0, self->ping_ms);
    }
}

void mu_supervise_status(struct mu_supervise *self, const char *status) {
    if (self != NULL) {
        tell(self, "", status);
    }
}

void mu_supervise_reloading(struct mu_supervise *self) {
    if (self != NULL && self->ready) {
        char text[64];
        snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                 mu_clock_monotonic_us());
        send_text(self, text);
    }
}

void mu_supervise_reloaded(struct mu_supervise *self) {
    if (self != NULL && self->ready) {
        send_text(self, "READY=1");
    }
}

void mu_supervise_stopping(struct mu_supervise *self) {
    if (self != NULL) {
        tell(self, "STOPPING=1\n", "ending");
    }
}

static void on_closed(uv_handle_t *timer) {
    struct mu_supervise *self = timer->data;
    mu_sd_notify_close(&self->notify);
    free(self);
}

void mu_supervise_close(struct mu_supervise **self) {
    if (*self != NULL) {
        uv_close((uv_handle_t *)&(*self)->timer, on_closed);
        *self = NULL;
    }
}
