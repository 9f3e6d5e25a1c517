/* main.c - musterd: arguments, signals, exit codes - nothing else.
 *
 * Exit codes: 0 fine, 2 usage, configuration or a plugin that cannot be used, 1 any other failure,
 * 70 a plugin blocked for ever (plugin/watch.h). SIGTERM and SIGINT end the daemon cleanly; a
 * second one ends it at once. SIGHUP reads the configuration again.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "app.h"
#include "arguments.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/table.h"
#include "supervise.h"

#define EXIT_USAGE 2
#define ONE_REQUEST_MS 250 /* a terminal and a supervisor often signal both, at the same moment */

enum { SIGNALS = 3 };

struct program {
    const struct mu_arguments *arguments;
    struct mu_app *app;
    struct mu_supervise *supervise;
    uv_signal_t signals[SIGNALS];
    uint64_t received_at; /* the first signal; 0: none yet */
};

/* One that cannot be used changes nothing. */
static void reload(const struct program *program) {
    struct mu_config fresh;
    struct mu_error error = {0};
    mu_supervise_reloading(program->supervise);
    if (mu_arguments_config(program->arguments, &fresh, &error) == MUSTER_OK) {
        mu_app_reload(program->app, &fresh);
    } else {
        mu_app_refuse(program->app, &error);
    }
    mu_config_deinit(&fresh);
    mu_supervise_reloaded(program->supervise);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct program *program = handle->data;
    if (number == SIGHUP) {
        reload(program);
        return;
    }
    uint64_t now = mu_clock_boottime_ms();
    if (program->received_at == 0) {
        program->received_at = now;
        mu_app_stop(program->app);
    } else if (now - program->received_at > ONE_REQUEST_MS) {
        _exit(EXIT_FAILURE);
    }
}

/* What a plugin left open would keep the loop turning. */
static void on_signals_closed(uv_handle_t *handle) {
    uv_stop(handle->loop);
}

static void on_ended(void *context) {
    struct program *program = context;
    mu_supervise_close(&program->supervise);
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_close((uv_handle_t *)&program->signals[i], i + 1 < SIGNALS ? NULL : on_signals_closed);
    }
}

static int fail(const struct mu_error *error, int code) {
    fprintf(stderr, "musterd: %s\n", error->text);
    return code;
}

/* What is being closed gets a second for it. */
static bool close_loop(uv_loop_t *loop) {
    for (int i = 0; i < 100; i++) {
        if (uv_loop_close(loop) == 0) {
            return true;
        }
        uv_run(loop, UV_RUN_NOWAIT);
        uv_sleep(10);
    }
    return false;
}

static int run(const struct mu_arguments *arguments, struct mu_config *config) {
    struct program program = {.arguments = arguments};
    struct mu_error error = {0};
    uv_loop_t loop;
    int result = uv_loop_init(&loop);
    if (result != 0) {
        fprintf(stderr, "musterd: no event loop: %s\n", uv_strerror(result));
        return EXIT_FAILURE;
    }
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    struct mu_log *log = mu_log_create(STDERR_FILENO, config->log.level, config->log.format);
    int code = EXIT_SUCCESS;
    /* First: a signal that comes while plugins are loaded waits for the loop. */
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&loop, &program.signals[i]);
        program.signals[i].data = &program;
        uv_signal_start(&program.signals[i], on_signal, numbers[i]);
    }
    program.supervise = mu_supervise_create(&loop, log);
    program.app = mu_app_create(&loop, config, log, on_ended, &program, &error);
    if (program.app == NULL) {
        code = fail(&error, EXIT_USAGE);
        on_ended(&program);
        uv_run(&loop, UV_RUN_DEFAULT);
    } else {
        mu_app_supervise(program.app, program.supervise);
        uv_run(&loop, UV_RUN_DEFAULT);
        if (mu_app_failure(program.app) != NULL) {
            fprintf(stderr, "musterd: %s\n", mu_app_failure(program.app));
            code = EXIT_USAGE;
        }
        if (!mu_app_clean(program.app)) {
            /* Threads and handles of a plugin may still run: nothing is freed below them. */
            _exit(code == EXIT_SUCCESS ? EXIT_FAILURE : code);
        }
        mu_app_destroy(&program.app);
    }
    if (!close_loop(&loop)) {
        fprintf(stderr, "musterd: handles were left open\n");
        code = code == EXIT_SUCCESS ? EXIT_FAILURE : code;
    }
    mu_log_destroy(&log);
    return code;
}

static int configured(const struct mu_arguments *arguments) {
    struct mu_config config;
    struct mu_error error = {0};
    int code = EXIT_SUCCESS;
    if (mu_arguments_config(arguments, &config, &error) != MUSTER_OK) {
        code = fail(&error, EXIT_USAGE);
    } else if (arguments->print_config) {
        mu_config_print(&config, stdout);
    } else if (!arguments->check) {
        code = run(arguments, &config);
    } else if (mu_app_check(&config, &error) != MUSTER_OK) {
        code = fail(&error, EXIT_USAGE);
    }
    mu_config_deinit(&config);
    return code;
}

int main(int argc, char **argv) {
    struct mu_arguments arguments;
    struct mu_error error = {0};
    int code = EXIT_SUCCESS;
    mu_table_init();
    signal(SIGPIPE, SIG_IGN);
    if (mu_arguments_parse(argc, argv, &arguments, &error) != MUSTER_OK) {
        code = fail(&error, EXIT_USAGE);
    } else if (arguments.help) {
        mu_arguments_help(stdout);
    } else if (arguments.version) {
        printf("musterd %s\n", MUSTER_VERSION);
    } else {
        code = configured(&arguments);
    }
    mu_arguments_deinit(&arguments);
    return code;
}
