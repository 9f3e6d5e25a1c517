/* arguments.h - the command line of musterctl. */
#ifndef MU_CTL_ARGUMENTS_H
#define MU_CTL_ARGUMENTS_H

#include <stdio.h>

#include "ctl.h"

enum mu_ctl_parse { MU_CTL_PARSE_RUN, MU_CTL_PARSE_HELP, MU_CTL_PARSE_VERSION, MU_CTL_PARSE_BAD };

/* Options may stand before and after the command. BAD: `error` says what and how to mend. */
enum mu_ctl_parse mu_ctl_arguments(int argc, char **argv, struct mu_ctl_options *options,
                                   struct mu_error *error);
void mu_ctl_options_deinit(struct mu_ctl_options *options);
void mu_ctl_usage(FILE *out);
/* Is this a command that a door can answer? */
bool mu_ctl_takes_door(const char *command);

#endif
