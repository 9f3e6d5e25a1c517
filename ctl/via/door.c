/* door.c - the token, and which of the two doors it is. */
#include "via/door.h"

#include <stdio.h>
#include <string.h>

#include "config/text.h"
#include "table.h"

#define TOKEN_MAX 8192

enum mu_ctl_exit mu_via_say(enum mu_ctl_exit status, const char *text) {
    fprintf(stderr, "musterctl: %s\n", text);
    return status;
}

static enum mu_ctl_exit read_token(struct mu_via *via) {
    const char *token = via->ctl->options->token;
    struct mu_error error = {0};
    if (token == NULL) {
        return MU_CTL_FINE;
    }
    if (strncmp(token, "file:", 5) != 0) {
        mu_must(mu_buffer_append_text(&via->token, token));
    } else if (mu_text_read_secret(&via->token, ".", token + 5, &error) != MUSTER_OK) {
        mu_error_prefix(&error, "--token");
        return mu_via_say(MU_CTL_USAGE, error.text);
    }
    return via->token.length > 0 && via->token.length <= TOKEN_MAX
               ? MU_CTL_FINE
               : mu_via_say(MU_CTL_USAGE, "--token is empty or too long");
}

enum mu_ctl_exit mu_via_open(struct mu_via *via, struct mu_ctl *ctl, enum mu_via_kind kind,
                             const char *instance, bool quiet) {
    *via = (struct mu_via){.ctl = ctl, .kind = kind};
    mu_buffer_init(&via->token, 0);
    enum mu_ctl_exit status = read_token(via);
    if (status != MU_CTL_FINE) {
        return status;
    }
    return kind == MU_VIA_RESP ? mu_via_resp_open(via, quiet) : mu_via_pubsub_open(via, instance);
}

void mu_via_close(struct mu_via *via) {
    if (via->connection != NULL) {
        redisFree(via->connection);
        via->connection = NULL;
    }
    if (via->token.data != NULL) {
        explicit_bzero(via->token.data, via->token.length);
    }
    mu_buffer_deinit(&via->token);
}

enum mu_ctl_exit mu_via_ask(struct mu_via *via, const char *operation, size_t count,
                            const char *const *arguments, struct mu_buffer *json) {
    return via->kind == MU_VIA_RESP ? mu_via_resp_ask(via, operation, count, arguments, json)
                                    : mu_via_pubsub_ask(via, operation, count, arguments, json);
}
