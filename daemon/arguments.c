#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/text.h"

enum { OPTION_CONFIG = 256, OPTION_SET, OPTION_CHECK, OPTION_PRINT, OPTION_VERSION, OPTION_HELP };

static const struct option options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"set", required_argument, NULL, OPTION_SET},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"print-config", no_argument, NULL, OPTION_PRINT},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static enum muster_status usage(struct mu_error *error, const char *wrong, const char *what) {
    char shown[MU_TEXT_SHOWN];

    return mu_error_set(error, MUSTER_BAD_REQUEST, "%s '%s'; see musterd --help", wrong,
                        mu_text_show(shown, what, strlen(what)));
}

static enum muster_status refuse_option(int argc, char **argv, struct mu_error *error) {
    char letter[3] = {'-', (char)optopt, '\0'};

    /* optopt: 0 for an unknown long option, the letter of an unknown short one, and the value of
     * a known long one that was given an argument it does not take. */
    if (optopt >= OPTION_CONFIG) {
        return usage(error, "no value is allowed in", argv[optind - 1]);
    }
    if (optopt == 0) {
        return usage(error, "unknown option", optind <= argc ? argv[optind - 1] : "");
    }
    return usage(error, "unknown option", letter);
}

static enum muster_status take_config(struct mu_arguments *out, const char *path,
                                      struct mu_error *error) {
    if (path[0] == '\0') {
        return usage(error, "a file name is missing behind", "--config");
    }
    if (out->config != NULL) {
        return usage(error, "only one file is allowed, so too much is", path);
    }
    out->config = mu_strdup(path);
    return MUSTER_OK;
}

static void take_set(struct mu_arguments *out, const char *assignment) {
    out->sets = mu_realloc(out->sets, (out->set_count + 1) * sizeof *out->sets);
    out->sets[out->set_count++] = mu_strdup(assignment);
}

static enum muster_status take(int option, int argc, char **argv, struct mu_arguments *out,
                               struct mu_error *error) {
    switch (option) {
    case OPTION_CONFIG:
        return take_config(out, optarg, error);
    case OPTION_SET:
        take_set(out, optarg);
        return MUSTER_OK;
    case OPTION_CHECK:
        out->check = true;
        return MUSTER_OK;
    case OPTION_PRINT:
        out->print_config = true;
        return MUSTER_OK;
    case OPTION_VERSION:
        out->version = true;
        return MUSTER_OK;
    case 'h':
    case OPTION_HELP:
        out->help = true;
        return MUSTER_OK;
    case ':':
        return usage(error, "a value is missing behind", argv[optind - 1]);
    default:
        return refuse_option(argc, argv, error);
    }
}

enum muster_status mu_arguments_parse(int argc, char **argv, struct mu_arguments *out,
                                      struct mu_error *error) {
    int option;

    memset(out, 0, sizeof *out);
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        enum muster_status status = take(option, argc, argv, out, error);

        if (status != MUSTER_OK) {
            return status;
        }
    }
    if (optind < argc) {
        return usage(error, "unexpected argument", argv[optind]);
    }
    return MUSTER_OK;
}

void mu_arguments_deinit(struct mu_arguments *arguments) {
    for (size_t i = 0; i < arguments->set_count; i++) {
        free(arguments->sets[i]);
    }
    free(arguments->sets);
    free(arguments->config);
    memset(arguments, 0, sizeof *arguments);
}

void mu_arguments_help(FILE *out) {
    fputs("usage: musterd [options]\n"
          "\n"
          "Coordinates instances, connections and sessions through Redis.\n"
          "\n"
          "  --config FILE      read this configuration; without it " MU_DEFAULT_CONFIG "\n"
          "                     if it exists, else the defaults\n"
          "  --set KEY=VALUE    change one key of it, such as --set log.level=debug;\n"
          "                     may be given several times\n"
          "  --check            say whether the configuration is good, and end\n"
          "  --print-config     print the whole configuration as it counts, and end\n"
          "  --version          print the version, and end\n"
          "  -h, --help         print this, and end\n"
          "\n"
          "Ends with 0 when all is well, 2 on a wrong command line or configuration,\n"
          "1 on any other failure. SIGTERM and SIGINT end it cleanly.\n",
          out);
}

enum muster_status mu_arguments_config(const struct mu_arguments *arguments,
                                       struct mu_config *config, struct mu_error *error) {
    const char *path = arguments->config;
    enum muster_status status = MUSTER_OK;

    mu_config_init(config);
    /* One that is there but out of reach is an error, which loading then tells. */
    if (path == NULL && (access(MU_DEFAULT_CONFIG, F_OK) == 0 || errno != ENOENT)) {
        path = MU_DEFAULT_CONFIG;
    }
    if (path != NULL) {
        status = mu_config_load(config, path, error);
    }
    for (size_t i = 0; status == MUSTER_OK && i < arguments->set_count; i++) {
        status = mu_config_set(config, arguments->sets[i], error);
    }
    return status == MUSTER_OK ? mu_config_check(config, error) : status;
}
