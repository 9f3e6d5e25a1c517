/* token.c - `musterctl token`: fresh tokens for the plugin auth_rules, and their salted hashes.
 *
 * The token is the only line on stdout, so that it can go into a file that nobody else reads; what
 * belongs into the configuration is on stderr. It is said once and kept nowhere.
 *
 * Exit status 1: no randomness, or what came in on stdin is no token. */
#include <stdio.h>
#include <string.h>

#include "auth_rules/date.h"
#include "auth_rules/principals.h"
#include "auth_rules/token.h"
#include "base/ids.h"
#include "config/text.h"
#include "ctl.h"
#include "json_out.h"
#include "table.h"

static enum mu_ctl_exit refuse(const char *sentence) {
    fprintf(stderr, "musterctl: %s\n", sentence);
    return MU_CTL_USAGE;
}

static bool is_role(const char *role) {
    size_t length = strlen(role);
    return length > 0 && length <= RULES_TEXT_MAX && mu_text_printable(role, length);
}

/* What auth_rules would refuse is refused here already. */
static enum mu_ctl_exit check(const struct mu_ctl_options *options, const char *kind) {
    uint64_t expires = 0;
    bool known =
        strcmp(kind, "instance") == 0 || strcmp(kind, "operator") == 0 || strcmp(kind, "user") == 0;
    if (!rules_token_name_valid(options->rest[0])) {
        return refuse("the name is 1 to 128 bytes of A-Z a-z 0-9 _ ~ @ | + = - without a dot");
    }
    if (!known) {
        return refuse("--kind is instance, operator or user");
    }
    if (options->instance != NULL && strcmp(options->instance, "*") != 0 &&
        !mu_id_valid(options->instance, strlen(options->instance))) {
        return refuse("--instance is the id of the instance that it is bound to, or '*'");
    }
    if (options->expires != NULL && !rules_date_read(options->expires, &expires)) {
        return refuse("--expires is a date such as 2027-01-31T12:00:00Z or 2027-01-31");
    }
    for (size_t i = 0; i < options->role_count; i++) {
        if (!is_role(options->roles[i]) || options->role_count > RULES_ROLES_MAX) {
            return refuse("--role is 1 to 256 bytes of printable text, at most 64 times");
        }
    }
    return MU_CTL_FINE;
}

/* YAML takes a text of JSON as it is. */
static void print_text(const char *key, const char *text) {
    struct mu_buffer quoted;
    mu_buffer_init(&quoted, 0);
    mu_must(mu_buffer_append_json(&quoted, text, strlen(text)));
    fprintf(stderr, "    %s: %s\n", key, quoted.data);
    mu_buffer_deinit(&quoted);
}

static void print_yaml(const struct mu_ctl_options *options, const char *kind, const char *hash) {
    fprintf(stderr, "# the token is shown once; plugins.load, auth_rules, config:\nprincipals:\n");
    fprintf(stderr, "  %s:\n    kind: %s\n", options->rest[0], kind);
    if (options->instance != NULL) {
        print_text("instance", options->instance);
    }
    if (options->role_count > 0) {
        struct mu_buffer roles;
        mu_buffer_init(&roles, 0);
        for (size_t i = 0; i < options->role_count; i++) {
            mu_must(mu_buffer_append_text(&roles, i > 0 ? ", " : "["));
            mu_must(mu_buffer_append_json(&roles, options->roles[i], strlen(options->roles[i])));
        }
        fprintf(stderr, "    roles: %s]\n", roles.data);
        mu_buffer_deinit(&roles);
    }
    if (options->expires != NULL) {
        print_text("expires", options->expires);
    }
    print_text("token", hash);
}

static void print_json(const char *name, const char *token, const char *hash) {
    struct mu_buffer out;
    mu_buffer_init(&out, 0);
    mu_json_open(&out, NULL, '{');
    mu_json_string(&out, "name", name);
    mu_json_string(&out, "token", token);
    mu_json_string(&out, "hash", hash);
    mu_json_close(&out, '}');
    mu_json_print(&out, stdout);
    mu_buffer_clear(&out);
    mu_buffer_deinit(&out);
}

static enum mu_ctl_exit make(const struct mu_ctl_options *options) {
    const char *kind = options->kind != NULL ? options->kind : "instance";
    char text[RULES_TOKEN_SIZE];
    char printed[RULES_HASH_TEXT_SIZE];
    struct rules_token token;
    struct rules_hash hash;
    enum mu_ctl_exit status = check(options, kind);
    if (status != MU_CTL_FINE) {
        return status;
    }
    if (!rules_token_make(options->rest[0], text) ||
        !rules_token_split(text, strlen(text), &token) || !rules_hash_make(token.secret, &hash)) {
        fputs("musterctl: the machine gives no random bytes\n", stderr);
        return MU_CTL_NO;
    }
    rules_hash_print(&hash, printed);
    if (options->json) {
        print_json(options->rest[0], text, printed);
    } else {
        printf("%s\n", text);
        fflush(stdout);
        print_yaml(options, kind, printed);
    }
    explicit_bzero(text, sizeof text);
    return MU_CTL_FINE;
}

static enum mu_ctl_exit hash_of_stdin(const struct mu_ctl_options *options) {
    char line[RULES_TOKEN_SIZE + 2]; /* a newline, and one byte to see that it is too long */
    char printed[RULES_HASH_TEXT_SIZE];
    struct rules_token token;
    struct rules_hash hash;
    bool read = fgets(line, sizeof line, stdin) != NULL;
    if (read) {
        line[strcspn(line, "\r\n")] = '\0';
    }
    bool fine = read && rules_token_split(line, strlen(line), &token) &&
                rules_hash_make(token.secret, &hash);
    if (fine) {
        rules_hash_print(&hash, printed);
    }
    if (fine && options->json) {
        struct mu_buffer out;
        mu_buffer_init(&out, 0);
        mu_json_open(&out, NULL, '{');
        mu_json_string(&out, "name", token.name);
        mu_json_string(&out, "hash", printed);
        mu_json_close(&out, '}');
        mu_json_print(&out, stdout);
        mu_buffer_deinit(&out);
    } else if (fine) {
        printf("%s\n", printed);
    } else {
        fputs("musterctl: stdin holds no token as `musterctl token new` makes them\n", stderr);
    }
    explicit_bzero(line, sizeof line);
    return fine ? MU_CTL_FINE : MU_CTL_NO;
}

enum mu_ctl_exit mu_ctl_token(const struct mu_ctl_options *options) {
    return strcmp(options->argument, "new") == 0 ? make(options) : hash_of_stdin(options);
}
