/* step.c - sequences of steps. */
#include "property/step.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static struct pm_step *append(struct pm_steps *steps) {
    if (steps->count == steps->room) {
        steps->room = steps->room == 0 ? 64 : steps->room * 2;
        steps->list = realloc(steps->list, steps->room * sizeof *steps->list);
        if (steps->list == NULL)
            abort();
    }
    struct pm_step *step = &steps->list[steps->count++];
    memset(step, 0, sizeof *step);
    return step;
}

void pm_step_argument(struct pm_step *step, const char *text) {
    char *copy = strdup(text);
    if (step->count == PM_ARGUMENTS || copy == NULL)
        abort();
    step->arguments[step->count++] = copy;
}

struct pm_step *pm_steps_add(struct pm_steps *steps, long long wait_ms, const char *format, ...) {
    char *text = NULL;
    char *save = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    struct pm_step *step = append(steps);
    step->wait_ms = wait_ms;
    const char *word = strtok_r(text, " ", &save);
    snprintf(step->function, sizeof step->function, "%s", word == NULL ? "" : word);
    while ((word = strtok_r(NULL, " ", &save)) != NULL)
        pm_step_argument(step, strcmp(word, "~") == 0 ? "" : word);
    free(text);
    return step;
}

void pm_steps_copy(struct pm_steps *steps, const struct pm_step *step) {
    const struct pm_step original = *step; /* may lie in `steps` */
    struct pm_step *copy = append(steps);
    copy->wait_ms = original.wait_ms;
    memcpy(copy->function, original.function, sizeof copy->function);
    for (size_t i = 0; i < original.count; i++)
        pm_step_argument(copy, original.arguments[i]);
}

void pm_steps_clear(struct pm_steps *steps) {
    for (size_t i = 0; i < steps->count; i++)
        for (size_t j = 0; j < steps->list[i].count; j++)
            free(steps->list[i].arguments[j]);
    free(steps->list);
    *steps = (struct pm_steps){0};
}

void pm_step_print(FILE *out, const struct pm_step *step) {
    if (step->wait_ms != 0)
        fprintf(out, "[%+lld ms] ", step->wait_ms);
    fputs(step->function, out);
    for (size_t i = 0; i < step->count; i++) {
        const char *text = step->arguments[i];
        bool plain = text[0] != '\0' && strpbrk(text, " '\\") == NULL;
        if (strlen(text) > 200)
            fprintf(out, " (%zu bytes '%.20s...')", strlen(text), text);
        else
            fprintf(out, plain ? " %s" : " '%s'", text);
    }
}

void pm_cursor_set(struct pm_cursors *cursors, const char *name, const char *value) {
    size_t i = 0;
    while (i < cursors->count && strcmp(cursors->names[i], name) != 0)
        i++;
    if (i == sizeof cursors->names / sizeof *cursors->names)
        i = 0; /* the oldest is forgotten: its slices start anew */
    if (i == cursors->count)
        cursors->count++;
    snprintf(cursors->names[i], sizeof cursors->names[i], "%s", name);
    snprintf(cursors->values[i], sizeof cursors->values[i], "%s", value);
}

static const char *cursor_of(const struct pm_cursors *cursors, const char *name) {
    for (size_t i = 0; i < cursors->count && name != NULL; i++)
        if (strcmp(cursors->names[i], name) == 0)
            return cursors->values[i];
    return "0";
}

static const char *resolve(const char *text, struct pm_state *state,
                           const struct pm_cursors *cursors) {
    char result[600];
    const char *name = strchr(text, ':');
    long long less = 0;
    long long number = 0;
    if (text[0] != '@')
        return pm_keep(state, text);
    if (name != NULL) {
        less = name[-1] == '-';
        name++;
    }
    if (strncmp(text, "@epoch", 6) == 0) {
        number = text[6] == '+' ? state->epoch + 5000000 : state->lease_epoch - (text[6] == '-');
    } else if (strncmp(text, "@ahead", 6) == 0) {
        number = state->latest + 10000;
    } else if (strncmp(text, "@floor", 6) == 0) {
        number = state->must_rotate ? state->latest + 10000 : 0;
    } else if (strncmp(text, "@score", 6) == 0) {
        const struct pm_instance *instance = pm_instance(state, name);
        number = instance == NULL ? 1 : instance->score - less;
    } else if (strncmp(text, "@term", 5) == 0) {
        const struct pm_session *session = pm_session(state, name);
        number = session == NULL ? 1 : session->term - less;
    } else if (strncmp(text, "@cursor", 7) == 0) {
        return pm_keep(state, cursor_of(cursors, name));
    } else if (strcmp(text, "@lease") == 0) {
        snprintf(result, sizeof result, "%s/%s/%lld/%lld/%s",
                 state->holder == NULL ? "none" : state->holder, state->nonce, state->lease_epoch,
                 state->renewals, state->advertise);
        return pm_keep(state, result);
    } else {
        return pm_keep(state, text);
    }
    snprintf(result, sizeof result, "%lld", number);
    return pm_keep(state, result);
}

struct pm_call pm_step_resolve(const struct pm_step *step, struct pm_state *state,
                               const struct pm_cursors *cursors) {
    struct pm_call call = {.function = step->function, .count = step->count};
    for (size_t i = 0; i < step->count; i++)
        call.arguments[i] = resolve(step->arguments[i], state, cursors);
    return call;
}
