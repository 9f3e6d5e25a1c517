#include "top/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "table.h"
#include "terminal.h"

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[2J"
#define LEAVE "\x1b[0m\x1b[?25h\x1b[?1049l"
#define TROUBLE_MAX 4096

struct mu_screen {
    struct termios before;
    sigset_t blocked_before;
    int signals; /* signalfd */
    int errors;  /* what stderr is meanwhile */
    int stderr_before;
};

static void write_all(const char *text, size_t length) {
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, text, length);
        if (written < 0 && errno != EINTR) {
            return; /* the terminal has gone; SIGHUP follows */
        }
        text += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
}

static void enter(struct mu_screen *self) {
    struct termios raw = self->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    write_all(ENTER, strlen(ENTER));
}

static void leave(struct mu_screen *self) {
    write_all(LEAVE, strlen(LEAVE));
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &self->before);
}

struct mu_screen *mu_screen_open(void) {
    struct termios before;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) {
        return NULL;
    }
    struct mu_screen *self = mu_calloc(1, sizeof *self);
    sigset_t caught;
    self->before = before;
    sigemptyset(&caught);
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaddset(&caught, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &caught, &self->blocked_before);
    signal(SIGPIPE, SIG_IGN); /* a door that went must not leave the terminal as it is */
    self->signals = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
    fflush(stderr);
    self->stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    self->errors = memfd_create("musterctl-stderr", MFD_CLOEXEC);
    if (self->errors >= 0 && self->stderr_before >= 0) {
        dup2(self->errors, STDERR_FILENO);
    }
    enter(self);
    return self;
}

void mu_screen_close(struct mu_screen **screen) {
    struct mu_screen *self = *screen;
    *screen = NULL;
    if (self == NULL) {
        return;
    }
    leave(self);
    fflush(stderr);
    if (self->stderr_before >= 0) {
        dup2(self->stderr_before, STDERR_FILENO);
        close(self->stderr_before);
    }
    if (self->errors >= 0) {
        close(self->errors);
    }
    if (self->signals >= 0) {
        close(self->signals);
    }
    sigprocmask(SIG_SETMASK, &self->blocked_before, NULL);
    free(self);
}

void mu_screen_show(struct mu_screen *self, const struct mu_buffer *text) {
    struct mu_buffer out;
    size_t columns = 0;
    size_t lines = 0;
    const char *at = text->length > 0 ? text->data : "";
    (void)self;
    mu_terminal_size(&columns, &lines);
    mu_buffer_init(&out, 0);
    mu_must(mu_buffer_append_text(&out, "\x1b[H"));
    for (size_t line = 0; line < lines && *at != '\0'; line++) {
        size_t length = strcspn(at, "\n");
        mu_must(line == 0 || mu_buffer_append_text(&out, "\r\n"));
        mu_must(mu_buffer_append(&out, at, length));
        mu_must(mu_buffer_append_text(&out, "\x1b[K"));
        at += length + (at[length] == '\n');
    }
    mu_must(mu_buffer_append_text(&out, "\x1b[J"));
    write_all(out.data, out.length);
    mu_buffer_deinit(&out);
}

/* Ctrl-Z: the shell gets its terminal back, and we ours when we go on. */
static void suspend(struct mu_screen *self) {
    leave(self);
    raise(SIGSTOP);
    enter(self);
}

/* The keys and signals that are there; TIME: none that means anything. */
static enum mu_screen_event take(struct mu_screen *self, bool key, bool signal) {
    struct signalfd_siginfo info;
    char byte = 0;
    if (key) {
        if (read(STDIN_FILENO, &byte, 1) != 1) {
            return MU_SCREEN_QUIT; /* the terminal has gone */
        }
        return byte == 'q' || byte == 'Q' ? MU_SCREEN_QUIT : MU_SCREEN_TIME;
    }
    if (!signal || read(self->signals, &info, sizeof info) != sizeof info) {
        return MU_SCREEN_TIME;
    }
    if (info.ssi_signo == (uint32_t)SIGWINCH) {
        return MU_SCREEN_RESIZE;
    }
    if (info.ssi_signo == (uint32_t)SIGTSTP) {
        suspend(self);
        return MU_SCREEN_RESIZE;
    }
    return MU_SCREEN_QUIT;
}

enum mu_screen_event mu_screen_wait(struct mu_screen *self, uint64_t ms) {
    uint64_t end = mu_clock_boottime_ms() + ms;
    for (;;) {
        uint64_t now = mu_clock_boottime_ms();
        struct pollfd places[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                   {.fd = self->signals, .events = POLLIN}};
        if (now >= end) {
            return MU_SCREEN_TIME;
        }
        if (poll(places, 2, (int)(end - now)) <= 0) {
            continue; /* the time is over, or a signal of others came */
        }
        enum mu_screen_event event = take(self, places[0].revents != 0, places[1].revents != 0);
        if (event != MU_SCREEN_TIME) {
            return event;
        }
    }
}

void mu_screen_trouble(struct mu_screen *self, char *out, size_t size) {
    char text[TROUBLE_MAX];
    fflush(stderr);
    off_t end = lseek(self->errors, 0, SEEK_END);
    off_t from = end > (off_t)sizeof text - 1 ? end - ((off_t)sizeof text - 1) : 0;
    ssize_t length = end > 0 ? pread(self->errors, text, sizeof text - 1, from) : 0;
    out[0] = '\0';
    if (length <= 0) {
        return;
    }
    text[length] = '\0';
    while (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    const char *line = strrchr(text, '\n');
    snprintf(out, size, "%s", line != NULL ? line + 1 : text);
    if (ftruncate(self->errors, 0) == 0) {
        lseek(self->errors, 0, SEEK_SET);
    }
}
