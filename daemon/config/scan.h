/* scan.h - the first look at a configuration, before libyaml composes a document of it.
 *
 * Only the tokens know where an anchor, an alias or a tag really stands (the document API marks
 * an alias at its anchor), and only before composing can deep nesting be refused cheaply.
 */
#ifndef MU_CONFIG_SCAN_H
#define MU_CONFIG_SCAN_H

#include <stddef.h>
#include <yaml.h>

#include "base/error.h"

#define MU_CONFIG_MAX_BYTES (256u * 1024u)
#define MU_CONFIG_MAX_DEPTH 8

/* Where in the text a fault is, from 1; line 0: in no place of its own. */
struct mu_config_place {
    size_t line, column;
};

/* Refuses what is too large, too deep or more than one plain document of mappings, lists and
 * texts. On error `place` is set, and the sentence is without it. */
enum muster_status mu_config_scan(const char *text, size_t length, struct mu_config_place *place,
                                  struct mu_error *error);

/* Place and sentence for a parser that failed on `text`. */
enum muster_status mu_config_yaml_error(const yaml_parser_t *parser, const char *text,
                                        size_t length, struct mu_config_place *place,
                                        struct mu_error *error);

#endif
