/* arguments.c - one table of options, each with the commands that take it. */
#include "arguments.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ids.h"

enum command {
    STATUS = 1,
    INSTANCES = 2,
    SESSIONS = 4,
    MEMBERS = 8,
    WATCH = 16,
    FSCK = 32,
    BRAKE = 64,
    FLUSH = 256,
    CALL = 128,
    TOKEN = 512,
    EXPLAIN = 1024, /* explain-auth */
    TELL = 2048,    /* explain */
    DRAIN = 4096,
    UNDRAIN = 8192,
    DOCTOR = 16384,
    BURY = 1 << 16,
    REAP = 1 << 17,
    STEP_DOWN = 1 << 18,
    METRICS = 1 << 19,
    TOP = 1 << 20
};
/* What changes something for others, and is confirmed. */
#define ORDERS (BRAKE | FLUSH | BURY | REAP | STEP_DOWN)
/* What --via can do. */
#define DOORS                                                                                      \
    (STATUS | INSTANCES | SESSIONS | MEMBERS | CALL | DRAIN | UNDRAIN | ORDERS | METRICS | TOP)
#define EVERY (DOORS | WATCH | FSCK | TELL | DOCTOR)
#define ALL (EVERY | TOKEN | EXPLAIN) /* those that need no Redis, too */

#define TIMEOUT_MS 5000 /* --timeout, when it is not said */
#define DRAIN_MS 600000 /* the same of drain --wait */
#define NOT_SAID UINT64_MAX

enum kind { TEXT, FLAG, NUMBER, DURATION, LIST, RATE };

struct option {
    const char *name;
    enum kind kind;
    int commands;
    size_t offset;
    size_t count_offset; /* LIST */
};

/* The last two members of an entry. */
#define AT(field) offsetof(struct mu_ctl_options, field), 0
#define LIST_AT(items, count)                                                                      \
    offsetof(struct mu_ctl_options, items), offsetof(struct mu_ctl_options, count)

static const struct option options_table[] = {
    {"config", TEXT, EVERY | EXPLAIN, AT(config)},
    {"url", TEXT, EVERY, AT(url)},
    {"sentinel", TEXT, EVERY, AT(sentinels)},
    {"master", TEXT, EVERY, AT(master)},
    {"tls-ca", TEXT, EVERY, AT(tls.ca)},
    {"tls-cert", TEXT, EVERY, AT(tls.certificate)},
    {"tls-key", TEXT, EVERY, AT(tls.key)},
    {"tls-server-name", TEXT, EVERY, AT(tls.server_name)},
    {"namespace", TEXT, EVERY, AT(name_space)},
    {"state-dir", TEXT, EVERY, AT(state_dir)},
    {"json", FLAG, ALL, AT(json)},
    {"session", LIST, WATCH | EXPLAIN, LIST_AT(sessions, session_count)},
    {"count", NUMBER, WATCH, AT(count)},
    {"for", DURATION, WATCH, AT(for_ms)},
    {"brief", FLAG, WATCH, AT(brief)},
    {"limit", NUMBER, SESSIONS | FSCK | TELL, AT(limit)},
    {"offset", NUMBER, SESSIONS, AT(offset)},
    {"repair", FLAG, FSCK, AT(repair)},
    {"watch", DURATION, FSCK, AT(listen_ms)},
    {"patience", DURATION, FSCK | DOCTOR, AT(patience_ms)},
    {"via", TEXT, DOORS | TELL, AT(via)},
    {"door", TEXT, DOORS, AT(door)},
    {"token", TEXT, DOORS, AT(token)},
    {"instance", TEXT, DOORS | TOKEN | EXPLAIN, AT(instance)},
    {"timeout", DURATION, DOORS, AT(timeout_ms)},
    {"rate", RATE, DRAIN, AT(rate)},
    {"notice", DURATION, DRAIN, AT(notice_ms)},
    {"wait", FLAG, DRAIN, AT(wait)},
    {"interval", DURATION, TOP, AT(interval_ms)},
    {"once", FLAG, TOP, AT(once)},
    {"off", FLAG, DRAIN, AT(off)},
    {"yes", FLAG, ORDERS, AT(yes)},
    {"kind", TEXT, TOKEN | EXPLAIN, AT(kind)},
    {"role", LIST, TOKEN | EXPLAIN, LIST_AT(roles, role_count)},
    {"expires", TEXT, TOKEN, AT(expires)},
    {"principal", TEXT, EXPLAIN, AT(principal)},
    {"action", TEXT, EXPLAIN, AT(action)},
    {"operation", TEXT, EXPLAIN, AT(operation)},
    {"connection", TEXT, EXPLAIN, AT(connection)},
    {"user", TEXT, EXPLAIN | DOCTOR, AT(user)},
};

static const struct {
    const char *name;
    enum command command;
} commands_table[] = {
    {"status", STATUS}, {"instances", INSTANCES}, {"sessions", SESSIONS},     {"members", MEMBERS},
    {"watch", WATCH},   {"fsck", FSCK},           {"brake", BRAKE},           {"call", CALL},
    {"flush", FLUSH},   {"token", TOKEN},         {"explain-auth", EXPLAIN},  {"explain", TELL},
    {"drain", DRAIN},   {"undrain", UNDRAIN},     {"doctor", DOCTOR},         {"bury", BURY},
    {"reap", REAP},     {"step-down", STEP_DOWN}, {"flush-decisions", FLUSH}, {"metrics", METRICS},
    {"top", TOP},
};

void mu_ctl_usage(FILE *out) {
    fputs("usage: musterctl [--config FILE | --url URL] [--namespace NS] [--state-dir DIR]\n"
          "                 [--json] COMMAND\n"
          "\n"
          "commands\n"
          "  status                        is the cluster healthy, and how large is it\n"
          "  instances                     the backend processes and what they hold\n"
          "  sessions [--offset N] [--limit N]\n"
          "                                the sessions in the order of their opening\n"
          "  members SESSION               one session: its leader and its members\n"
          "  watch [--session S]... [--count N] [--for DURATION] [--brief]\n"
          "                                events as they happen; --brief sums up each second\n"
          "  fsck [--repair] [--watch DURATION] [--patience DURATION] [--limit N]\n"
          "                                checks the invariants of the data, and mends them\n"
          "  doctor [--patience DURATION] [--user USER]\n"
          "                                what is wrong here, what comes of it, what to do.\n"
          "                                With --config and --url: that configuration, seen by\n"
          "                                who the URL logs in\n"
          "  explain session|connection|instance NAME [--limit N]\n"
          "                                why it leads, why it left, by the journal in Redis\n"
          "  brake                         does the brake hold\n"
          "  brake release                 lets it go\n"
          "  bury INSTANCE                 declares it dead: its connections leave\n"
          "  reap [INSTANCE]               removes what it left behind without waiting for it\n"
          "  step-down [DAEMON]            lets another daemon coordinate\n"
          "  flush-decisions               lets every daemon forget cached decisions\n"
          "                                these five ask at the terminal; --yes: they do not\n"
          "  drain INSTANCE [--rate N/s [--notice DURATION]] [--wait [--timeout DURATION]]\n"
          "                                no new connections, its leaderships move; with a rate\n"
          "                                its connections are told to move, so many a second,\n"
          "                                and have 30s (--notice) to do so. --wait shows how far\n"
          "                                it is, until none is left (10m, --timeout)\n"
          "  undrain INSTANCE              ends that (also drain INSTANCE --off)\n"
          "  top [--interval DURATION] [--once]\n"
          "                                a live view: instances, rates, latencies; q ends it\n"
          "  metrics                       the numbers of a daemon, for Prometheus; its RESP door\n"
          "                                tells them to those who have the right admin\n"
          "  call OPERATION [ARGUMENT]...  any operation, through a door; -- ends the options\n"
          "  token new NAME [--kind instance|operator|user] [--instance ID] [--role R]...\n"
          "        [--expires DATE]        a fresh token, and what auth_rules must know of it\n"
          "  token hash                    the same of a token that is read from stdin\n"
          "  explain-auth [--principal NAME] [--kind KIND] [--role R]...\n"
          "        --action A | --operation OP [--session S] [--connection C] [--instance I]\n"
          "        [--user U]              which rule of auth_rules decides that\n"
          "\n"
          "Where Redis is: --url (redis://host:port/db, rediss:// for TLS, or unix:///path), or\n"
          "what the sentinels of --sentinel host:port[,host:port...] call --master NAME (a --url\n"
          "beside them has the master's user, password and database), or the socket in\n"
          "--state-dir, or what the configuration says (/etc/muster/muster.yaml without\n"
          "--config). A duration is 250ms, 3s, 5m or 2h.\n"
          "With rediss://, else of the configuration: --tls-ca FILE (none: the system's store),\n"
          "--tls-cert FILE and --tls-key FILE where Redis demands a client's certificate,\n"
          "--tls-server-name NAME when its certificate is for another name.\n"
          "\n"
          "status, instances, sessions, members, drain, call, brake, bury, reap, step-down and\n"
          "flush-decisions ask a musterd, at the first unix socket on which transport_resp\n"
          "listens by the configuration, and Redis itself when none answers; else with\n"
          "  --door unix:///path|host:port  [--token TOKEN|file:PATH] [--timeout DURATION]\n"
          "  --via pubsub [--token TOKEN|file:PATH] [--instance ID] [--timeout DURATION]\n"
          "  --via redis\n"
          "\n"
          "exit status: 0 fine, 1 the answer is no (a finding, unhealthy), 2 usage,\n"
          "3 Redis cannot be reached, or nobody answers\n",
          out);
}

static bool parse_number(const char *text, size_t length, uint64_t *out) {
    uint64_t value = 0;
    if (length == 0 || length > 15) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = value;
    return true;
}

static bool parse_duration(const char *text, uint64_t *out) {
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    size_t digits = strspn(text, "0123456789");
    uint64_t value = 0;
    if (!parse_number(text, digits, &value) || value > 1000000000) {
        return false;
    }
    if (text[digits] == '\0') {
        *out = 0;
        return value == 0; /* only nought needs no unit */
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            *out = value * units[i].ms;
            return true;
        }
    }
    return false;
}

static void add_to_list(struct mu_ctl_options *options, const struct option *option,
                        const char *value) {
    const char ***list = (void *)((char *)options + option->offset);
    size_t *count = (void *)((char *)options + option->count_offset);
    *list = mu_realloc(*list, (*count + 1) * sizeof **list);
    (*list)[(*count)++] = value;
}

static bool store(struct mu_ctl_options *options, const struct option *option, const char *value,
                  struct mu_error *error) {
    char *place = (char *)options + option->offset;
    switch (option->kind) {
    case FLAG:
        *(bool *)(void *)place = true;
        return true;
    case TEXT:
        if (value[0] == '\0') {
            mu_error_set(error, MUSTER_BAD_REQUEST, "--%s is empty", option->name);
            return false;
        }
        *(const char **)(void *)place = value;
        return true;
    case NUMBER:
        if (!parse_number(value, strlen(value), (uint64_t *)(void *)place)) {
            mu_error_set(error, MUSTER_BAD_REQUEST, "--%s takes a whole number, not '%s'",
                         option->name, value);
            return false;
        }
        return true;
    case RATE: {
        size_t digits = strspn(value, "0123456789");
        if (!parse_number(value, digits, (uint64_t *)(void *)place) ||
            (value[digits] != '\0' && strcmp(value + digits, "/s") != 0)) {
            mu_error_set(error, MUSTER_BAD_REQUEST, "--%s takes a number such as 200/s, not '%s'",
                         option->name, value);
            return false;
        }
        return true;
    }
    case DURATION:
        if (!parse_duration(value, (uint64_t *)(void *)place)) {
            mu_error_set(error, MUSTER_BAD_REQUEST,
                         "--%s takes a duration such as 250ms, 3s, 5m or 2h, not '%s'",
                         option->name, value);
            return false;
        }
        return true;
    case LIST:
        add_to_list(options, option, value);
        return true;
    }
    return false;
}

static const struct option *find_option(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof options_table / sizeof options_table[0]; i++) {
        if (strlen(options_table[i].name) == length &&
            strncmp(options_table[i].name, name, length) == 0) {
            return &options_table[i];
        }
    }
    return NULL;
}

static int find_command(const char *name) {
    for (size_t i = 0; i < sizeof commands_table / sizeof commands_table[0]; i++) {
        if (strcmp(commands_table[i].name, name) == 0) {
            return (int)commands_table[i].command;
        }
    }
    return 0;
}

bool mu_ctl_takes_door(const char *command) {
    return (find_command(command) & DOORS) != 0;
}

/* What holds between the options of a door. */
static bool check_via(const struct mu_ctl_options *options, int command, struct mu_error *error) {
    const char *via = options->via != NULL ? options->via : "";
    bool pubsub = strcmp(via, "pubsub") == 0;
    bool redis =
        strcmp(via, "redis") == 0 ||
        (options->via == NULL && options->door == NULL &&
         (options->url != NULL || options->sentinels != NULL || options->state_dir != NULL));
    const char *wrong = NULL;
    if (options->via != NULL && !pubsub && !redis && strcmp(via, "resp") != 0) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "there is no door '%s' for --via, but resp, pubsub and redis", via);
        return false;
    }
    if (command == CALL && redis) {
        wrong = "call goes through a door: --door unix:///path, or --via pubsub";
    } else if (command == METRICS && (redis || pubsub)) {
        wrong = "a daemon tells its metrics at its RESP door alone: --door unix:///path or "
                "host:port";
    } else if (command == TOP && options->json) {
        wrong = "top is for people; metrics, status and instances --json are for programs";
    } else if (redis && (options->token != NULL || options->instance != NULL ||
                         options->door != NULL || options->timeout_ms != TIMEOUT_MS)) {
        wrong = "--token, --instance, --door and --timeout belong to a door, not to Redis itself";
    } else if (options->instance != NULL && !pubsub) {
        wrong = "--instance belongs to --via pubsub";
    } else if (options->door != NULL && pubsub) {
        wrong = "--door belongs to --via resp";
    } else if (options->offset != 0 && (options->via != NULL || options->door != NULL) && !redis) {
        wrong = "--offset does not go through a door";
    } else if (options->timeout_ms == 0) {
        wrong = "--timeout is nought";
    } else if (command == CALL && options->argument == NULL) {
        wrong = "call needs the name of an operation";
    } else {
        return true;
    }
    mu_error_set(error, MUSTER_BAD_REQUEST, "%s", wrong);
    return false;
}

static bool check_token(const struct mu_ctl_options *options) {
    const char *what = options->argument != NULL ? options->argument : "";
    bool plain = options->kind == NULL && options->instance == NULL && options->role_count == 0 &&
                 options->expires == NULL;
    return strcmp(what, "new") == 0    ? options->rest_count == 1
           : strcmp(what, "hash") == 0 ? options->rest_count == 0 && plain
                                       : false;
}

static bool check_tell(const struct mu_ctl_options *options) {
    const char *what = options->argument != NULL ? options->argument : "";
    return options->rest_count == 1 &&
           (strcmp(what, "session") == 0 || strcmp(what, "connection") == 0 ||
            strcmp(what, "instance") == 0);
}

static bool check_explain(const struct mu_ctl_options *options) {
    return (options->action != NULL || options->operation != NULL) && options->session_count <= 1;
}

static bool check_drain(const struct mu_ctl_options *options) {
    bool off = options->off || strcmp(options->command, "undrain") == 0;
    bool plain = options->rate == 0 && options->notice_ms == 0 && !options->wait;
    return options->argument != NULL && (!off || plain) &&
           (options->notice_ms == 0 || options->rate > 0) &&
           (options->wait || options->wait_ms == DRAIN_MS);
}

/* What holds between the options. */
static bool check(const struct mu_ctl_options *options, int command, int allowed,
                  const char *last_narrow, struct mu_error *error) {
    if (options->command == NULL) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "no command given; musterctl --help lists them");
    } else if (command == 0) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "there is no command '%s'; musterctl --help lists them", options->command);
    } else if ((allowed & command) == 0) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "--%s does not go with '%s'", last_narrow,
                     options->command);
    } else if (options->url != NULL &&
               ((options->config != NULL && command != DOCTOR) || options->state_dir != NULL)) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "--url says by itself where Redis is; leave out --config and --state-dir");
    } else if ((options->sentinels == NULL) != (options->master == NULL)) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "--sentinel and --master go together");
    } else if (options->sentinels != NULL &&
               (options->config != NULL || options->state_dir != NULL)) {
        mu_error_set(
            error, MUSTER_BAD_REQUEST,
            "--sentinel says by itself where Redis is; leave out --config and --state-dir");
    } else if (command == MEMBERS && options->argument == NULL) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "members needs the name of a session");
    } else if (command == BRAKE && options->argument != NULL &&
               strcmp(options->argument, "release") != 0) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "brake takes no argument but release, not '%s'",
                     options->argument);
    } else if ((command == DRAIN || command == UNDRAIN) && !check_drain(options)) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "drain takes the name of an instance; --notice goes with --rate, --timeout "
                     "with --wait, and --off with none of them");
    } else if (command == TOKEN && !check_token(options)) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "token takes `new` and one name, or `hash` and no option");
    } else if (command == TELL && !check_tell(options)) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "explain takes session, connection or instance, and a name");
    } else if (command == TELL && options->via != NULL && strcmp(options->via, "redis") != 0) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "the journal can be read in Redis only, not through a door: leave --via out");
    } else if (command == EXPLAIN && !check_explain(options)) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "explain-auth takes --action or --operation, and one --session at most");
    } else if (command == BURY && options->argument == NULL) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "bury needs the name of an instance");
    } else if ((command & (BURY | REAP | STEP_DOWN)) != 0 && options->argument != NULL &&
               !mu_id_valid(options->argument, strlen(options->argument))) {
        mu_error_set(error, MUSTER_BAD_REQUEST,
                     "a name has 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -");
    } else if ((command & (MEMBERS | BRAKE | CALL | TOKEN | TELL | DRAIN | UNDRAIN | BURY | REAP |
                           STEP_DOWN)) == 0 &&
               options->argument != NULL) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "'%s' takes no argument '%s'", options->command,
                     options->argument);
    } else if (options->brief && options->json) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "--brief and --json do not go together");
    } else {
        return command == TOKEN || command == EXPLAIN || command == TELL ||
               check_via(options, command, error);
    }
    return false;
}

/* That of drain is how long it waits for the end, not for an answer. */
static void settle_timeouts(struct mu_ctl_options *options, int command) {
    uint64_t said = options->timeout_ms;
    if (command == DRAIN || command == UNDRAIN) {
        options->wait_ms = said == NOT_SAID ? DRAIN_MS : said;
        options->timeout_ms = said == 0 ? 0 : TIMEOUT_MS;
    } else if (said == NOT_SAID) {
        options->timeout_ms = TIMEOUT_MS;
    }
}

static bool store_word(struct mu_ctl_options *options, const char *word, struct mu_error *error) {
    if (options->command == NULL) {
        options->command = word;
    } else if (options->argument == NULL) {
        options->argument = word;
    } else if (strcmp(options->command, "call") == 0 || strcmp(options->command, "token") == 0 ||
               (strcmp(options->command, "explain") == 0 && options->rest_count == 0)) {
        options->rest =
            mu_realloc(options->rest, (options->rest_count + 1) * sizeof *options->rest);
        options->rest[options->rest_count++] = word;
    } else {
        mu_error_set(error, MUSTER_BAD_REQUEST, "one argument too many: '%s'", word);
        return false;
    }
    return true;
}

enum mu_ctl_parse mu_ctl_arguments(int argc, char **argv, struct mu_ctl_options *options,
                                   struct mu_error *error) {
    int allowed = ALL;
    const char *last_narrow = "";
    memset(options, 0, sizeof *options);
    options->patience_ms = UINT64_MAX; /* the command's own default */
    options->limit = UINT64_MAX;
    options->timeout_ms = NOT_SAID;
    bool plain = false; /* behind -- */
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!plain && strcmp(word, "--") == 0) {
            plain = true;
            continue;
        }
        if (plain || word[0] != '-') {
            if (!store_word(options, word, error)) {
                return MU_CTL_PARSE_BAD;
            }
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            return MU_CTL_PARSE_HELP;
        }
        if (strcmp(word, "--version") == 0) {
            return MU_CTL_PARSE_VERSION;
        }
        const char *name = word[1] == '-' ? word + 2 : word + 1;
        size_t length = strcspn(name, "=");
        const struct option *option = word[1] == '-' ? find_option(name, length) : NULL;
        if (option == NULL) {
            mu_error_set(error, MUSTER_BAD_REQUEST,
                         "there is no option '%s'; musterctl --help lists them", word);
            return MU_CTL_PARSE_BAD;
        }
        const char *value = name[length] == '=' ? name + length + 1 : NULL;
        if (option->kind == FLAG && value != NULL) {
            mu_error_set(error, MUSTER_BAD_REQUEST, "--%s takes no value", option->name);
            return MU_CTL_PARSE_BAD;
        }
        if (option->kind != FLAG && value == NULL) {
            if (i + 1 >= argc) {
                mu_error_set(error, MUSTER_BAD_REQUEST, "--%s needs a value", option->name);
                return MU_CTL_PARSE_BAD;
            }
            value = argv[++i];
        }
        if (!store(options, option, value, error)) {
            return MU_CTL_PARSE_BAD;
        }
        if (option->commands != ALL) {
            allowed &= option->commands;
            last_narrow = option->name;
        }
    }
    int command = options->command != NULL ? find_command(options->command) : 0;
    settle_timeouts(options, command);
    return check(options, command, allowed, last_narrow, error) ? MU_CTL_PARSE_RUN
                                                                : MU_CTL_PARSE_BAD;
}

void mu_ctl_options_deinit(struct mu_ctl_options *options) {
    free(options->sessions);
    options->sessions = NULL;
    free(options->roles);
    options->roles = NULL;
    free(options->rest);
    options->rest = NULL;
}
