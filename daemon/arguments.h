/* arguments.h - the command line of musterd, and the configuration it leads to. */
#ifndef MU_ARGUMENTS_H
#define MU_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "config/config.h"

#define MU_DEFAULT_CONFIG "/etc/muster/muster.yaml"

struct mu_arguments {
    char *config; /* --config FILE, NULL when not given */
    char **sets;  /* each --set key=value, in the order given */
    size_t set_count;
    bool check;        /* --check */
    bool print_config; /* --print-config */
    bool version;      /* --version */
    bool help;         /* --help */
};

/* Reads argv (its order may change). BAD_REQUEST with a sentence for what is wrong. `out` needs
 * mu_arguments_deinit() in either case. */
enum muster_status mu_arguments_parse(int argc, char **argv, struct mu_arguments *out,
                                      struct mu_error *error);
void mu_arguments_deinit(struct mu_arguments *arguments);
/* The text of --help. */
void mu_arguments_help(FILE *out);

/* Builds the checked configuration: the file of --config, else /etc/muster/muster.yaml if there
 * is one, else the defaults; then every --set; then mu_config_check(). `config` is uninitialised
 * storage and needs mu_config_deinit() in either case. Blocks: it reads files. */
enum muster_status mu_arguments_config(const struct mu_arguments *arguments,
                                       struct mu_config *config, struct mu_error *error);

#endif
