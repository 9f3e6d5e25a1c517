#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/ids.h"
#include "redis/managed.h"
#include "redis/tls.h"

const char mu_sim_usage[] =
    "usage: muster-sim instance --url URL|--door ADDRESS --id ID [OPTION…]\n"
    "       muster-sim cluster --url URL|--door ADDRESS [--instances N] [OPTION…]\n"
    "\n"
    "instance: one backend process that behaves as a good client of muster does.\n"
    "  --url URL             redis://…, rediss://… (TLS) or unix:///path\n"
    "  --tls-ca FILE, --tls-cert FILE, --tls-key FILE, --tls-server-name NAME\n"
    "                        with rediss://…; without a CA the system's store counts\n"
    "  --state-dir DIR       instead of it: the Redis that a daemon manages there\n"
    "  --door ADDRESS,…      instead of it: RESP doors of daemons, as redis://… or unix:///path;\n"
    "                        when one fails, the next is tried\n"
    "  --token TOKEN         for the doors whose address has no password\n"
    "  --sentinel HOST:PORT[,HOST:PORT…] --master NAME\n"
    "                        instead of them: the master that these sentinels name; of a --url "
    "the\n"
    "                        user, password and database count\n"
    "  --namespace NS        default muster\n"
    "  --id ID               of the instance, e.g. node-1\n"
    "  --connections N       default 1000\n"
    "  --sessions N          that they are spread over, default 200\n"
    "  --joins N             sessions of one connection, default 1\n"
    "  --users N             size of the pool of users; 0, the default: all anonymous\n"
    "  --profile-bytes N     default 60; 0: no profile\n"
    "  --priority N|MIN..MAX default 0; a range is drawn from by connection\n"
    "  --no-lead             its members never lead\n"
    "  --shared-ids          connection ids are the same in every instance: <prefix><n>\n"
    "  --prefix TEXT         of shared ids, default c (else ids are <id>-<n>)\n"
    "  --session-prefix TEXT default room-\n"
    "  --churn N             random leave, enter and update operations a second, default 0\n"
    "  --pace N              calls in flight, default 64\n"
    "  --heartbeat fcall|channel\n"
    "  --heartbeat-ms N      default: what START answers\n"
    "  --no-heartbeat        start, then stay silent\n"
    "  --no-inbox            do not subscribe to the inbox\n"
    "  --no-follow           do not subscribe to sessions\n"
    "  --obey unregister|ignore\n"
    "                        what its clients do when they are told to move; default: they go\n"
    "  --watch-all           subscribe to all sessions with one pattern\n"
    "  --seed N              random if not given; printed\n"
    "  --report FILE         written on SIGUSR1 and at the end\n"
    "  --events FILE         gets every event received, one a line\n"
    "  --stop-after DURATION 20s, 500ms, 5m\n"
    "Signals: TERM, INT stop; USR1 writes the report; USR2 turns churn off and on.\n"
    "Exit status: 0 stopped, 1 failed, 2 usage, 3 another process took the id over.\n"
    "\n"
    "cluster: starts instances node-1 to node-N with the instance options given, and harms them.\n"
    "  --instances N         default 5\n"
    "  --kill-every DURATION one is killed with -9\n"
    "  --return-after DURATION  and started again, default 15s\n"
    "  --pause-every DURATION   one is stopped\n"
    "  --pause-for DURATION     and continued, default 5s\n"
    "  --duration DURATION   then everything stops\n"
    "With --report and --events each instance gets the file name with .ID behind it.\n"
    "\n"
    "Both print one JSON object a line on stdout.\n";

enum option_id {
    OPT_URL = 1000,
    OPT_TLS_CA,
    OPT_TLS_CERT,
    OPT_TLS_KEY,
    OPT_TLS_SERVER_NAME,
    OPT_STATE_DIR,
    OPT_DOOR,
    OPT_TOKEN,
    OPT_SENTINEL,
    OPT_MASTER,
    OPT_NAMESPACE,
    OPT_ID,
    OPT_CONNECTIONS,
    OPT_SESSIONS,
    OPT_JOINS,
    OPT_USERS,
    OPT_PROFILE_BYTES,
    OPT_PRIORITY,
    OPT_NO_LEAD,
    OPT_SHARED_IDS,
    OPT_PREFIX,
    OPT_SESSION_PREFIX,
    OPT_CHURN,
    OPT_PACE,
    OPT_HEARTBEAT,
    OPT_HEARTBEAT_MS,
    OPT_NO_HEARTBEAT,
    OPT_NO_INBOX,
    OPT_NO_FOLLOW,
    OPT_WATCH_ALL,
    OPT_OBEY,
    OPT_STOP_AFTER,
    OPT_LAST_FORWARDED = OPT_STOP_AFTER, /* from here on the cluster does not hand them on */
    OPT_SEED,
    OPT_REPORT,
    OPT_EVENTS,
    OPT_INSTANCES, /* from here on they are of a cluster only */
    OPT_KILL_EVERY,
    OPT_RETURN_AFTER,
    OPT_PAUSE_EVERY,
    OPT_PAUSE_FOR,
    OPT_DURATION,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    {"url", required_argument, NULL, OPT_URL},
    {"tls-ca", required_argument, NULL, OPT_TLS_CA},
    {"tls-cert", required_argument, NULL, OPT_TLS_CERT},
    {"tls-key", required_argument, NULL, OPT_TLS_KEY},
    {"tls-server-name", required_argument, NULL, OPT_TLS_SERVER_NAME},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"door", required_argument, NULL, OPT_DOOR},
    {"token", required_argument, NULL, OPT_TOKEN},
    {"sentinel", required_argument, NULL, OPT_SENTINEL},
    {"master", required_argument, NULL, OPT_MASTER},
    {"namespace", required_argument, NULL, OPT_NAMESPACE},
    {"id", required_argument, NULL, OPT_ID},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"sessions", required_argument, NULL, OPT_SESSIONS},
    {"joins", required_argument, NULL, OPT_JOINS},
    {"users", required_argument, NULL, OPT_USERS},
    {"profile-bytes", required_argument, NULL, OPT_PROFILE_BYTES},
    {"priority", required_argument, NULL, OPT_PRIORITY},
    {"no-lead", no_argument, NULL, OPT_NO_LEAD},
    {"shared-ids", no_argument, NULL, OPT_SHARED_IDS},
    {"prefix", required_argument, NULL, OPT_PREFIX},
    {"session-prefix", required_argument, NULL, OPT_SESSION_PREFIX},
    {"churn", required_argument, NULL, OPT_CHURN},
    {"pace", required_argument, NULL, OPT_PACE},
    {"heartbeat", required_argument, NULL, OPT_HEARTBEAT},
    {"heartbeat-ms", required_argument, NULL, OPT_HEARTBEAT_MS},
    {"no-heartbeat", no_argument, NULL, OPT_NO_HEARTBEAT},
    {"no-inbox", no_argument, NULL, OPT_NO_INBOX},
    {"no-follow", no_argument, NULL, OPT_NO_FOLLOW},
    {"watch-all", no_argument, NULL, OPT_WATCH_ALL},
    {"obey", required_argument, NULL, OPT_OBEY},
    {"stop-after", required_argument, NULL, OPT_STOP_AFTER},
    {"seed", required_argument, NULL, OPT_SEED},
    {"report", required_argument, NULL, OPT_REPORT},
    {"events", required_argument, NULL, OPT_EVENTS},
    {"instances", required_argument, NULL, OPT_INSTANCES},
    {"kill-every", required_argument, NULL, OPT_KILL_EVERY},
    {"return-after", required_argument, NULL, OPT_RETURN_AFTER},
    {"pause-every", required_argument, NULL, OPT_PAUSE_EVERY},
    {"pause-for", required_argument, NULL, OPT_PAUSE_FOR},
    {"duration", required_argument, NULL, OPT_DURATION},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static const struct option *option_of(int id) {
    const struct option *option = long_options;
    while (option->val != id)
        option++;
    return option;
}

static enum muster_status read_number(int id, const char *text, uint64_t lowest, uint64_t highest,
                                      uint64_t *value, struct mu_error *error) {
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number < lowest || number > highest)
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "--%s: '%s' is no whole number from %" PRIu64 " to %" PRIu64,
                            option_of(id)->name, text, lowest, highest);
    *value = number;
    return MUSTER_OK;
}

static enum muster_status read_duration(int id, const char *text, uint64_t *value,
                                        struct mu_error *error) {
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (*text >= '0' && *text <= '9' && !errno && number > 0 && number < 1000000 &&
            strcmp(end, units[i].name) == 0) {
            *value = number * units[i].ms;
            return MUSTER_OK;
        }
    }
    return mu_error_set(error, MUSTER_BAD_REQUEST,
                        "--%s: '%s' is no duration such as 20s, 500ms or 5m", option_of(id)->name,
                        text);
}

static enum muster_status read_priority(struct mu_sim_options *options, const char *text,
                                        struct mu_error *error) {
    char *end;
    long low = strtol(text, &end, 10);
    long high = low;
    if (end != text && strncmp(end, "..", 2) == 0) {
        const char *second = end + 2;
        high = strtol(second, &end, 10);
        if (end == second)
            end = (char *)(uintptr_t)text;
    }
    if (end == text || *end || low < -1023 || high > 1023 || low > high)
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "--priority: '%s' is neither a number from -1023 to 1023 nor MIN..MAX",
                            text);
    options->priority_min = low;
    options->priority_max = high;
    return MUSTER_OK;
}

static enum muster_status read_id(int id, const char *text, const char **value,
                                  struct mu_error *error) {
    /* Room for a number behind it. */
    if (!mu_id_valid(text, strlen(text)) || strlen(text) > 100)
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "--%s: '%s' is no id (1 to 100 bytes of A-Z a-z 0-9 . _ ~ @ | + = -)",
                            option_of(id)->name, text);
    *value = text;
    return MUSTER_OK;
}

static enum muster_status read_heartbeat(struct mu_sim_options *options, const char *text,
                                         struct mu_error *error) {
    if (strcmp(text, "fcall") != 0 && strcmp(text, "channel") != 0)
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "--heartbeat: '%s' is neither fcall nor channel", text);
    options->heartbeat = strcmp(text, "fcall") == 0 ? MU_SIM_FCALL : MU_SIM_CHANNEL;
    return MUSTER_OK;
}

static enum muster_status read_obey(struct mu_sim_options *options, const char *text,
                                    struct mu_error *error) {
    if (strcmp(text, "unregister") != 0 && strcmp(text, "ignore") != 0)
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "--obey: '%s' is neither unregister nor ignore", text);
    options->obey = strcmp(text, "unregister") == 0;
    return MUSTER_OK;
}

static enum muster_status read_url(struct mu_sim_options *options, const char *text,
                                   struct mu_error *error) {
    if (options->has_address)
        mu_redis_address_deinit(&options->address);
    options->url = text;
    options->has_address = mu_redis_address_parse(text, &options->address, error) == MUSTER_OK;
    return options->has_address ? MUSTER_OK : mu_error_prefix(error, "--url");
}

static enum muster_status read_state_dir(struct mu_sim_options *options, const char *text,
                                         struct mu_error *error) {
    if (options->has_address)
        mu_redis_address_deinit(&options->address);
    options->has_address = mu_managed_address(text, &options->address, error) == MUSTER_OK;
    return options->has_address ? MUSTER_OK : mu_error_prefix(error, "--state-dir");
}

static void forward(struct mu_sim_options *options, int id, const char *value) {
    struct mu_buffer text;
    mu_buffer_init(&text, 0);
    if (!mu_buffer_printf(&text, value ? "--%s=%s" : "--%s", option_of(id)->name, value))
        abort();
    options->forward =
        mu_realloc(options->forward, (options->forward_count + 1) * sizeof *options->forward);
    options->forward[options->forward_count++] = text.data;
}

static enum muster_status take(struct mu_sim_options *o, int id, const char *text,
                               struct mu_error *error) {
    const uint64_t many = 1000000;
    switch (id) {
    case OPT_URL:
        return read_url(o, text, error);
    case OPT_STATE_DIR:
        return read_state_dir(o, text, error);
    case OPT_DOOR:
        return mu_sim_doors_read(&o->doors, text, error) == MUSTER_OK
                   ? MUSTER_OK
                   : mu_error_prefix(error, "--door");
    case OPT_SENTINEL:
        o->sentinels = text;
        return MUSTER_OK;
    case OPT_MASTER:
        o->master = text;
        return MUSTER_OK;
    case OPT_NAMESPACE:
        return read_id(id, text, &o->name_space, error);
    case OPT_ID:
        return read_id(id, text, &o->id, error);
    case OPT_PREFIX:
        return read_id(id, text, &o->prefix, error);
    case OPT_SESSION_PREFIX:
        return read_id(id, text, &o->session_prefix, error);
    case OPT_CONNECTIONS:
        return read_number(id, text, 0, many, &o->connections, error);
    case OPT_SESSIONS:
        return read_number(id, text, 1, many, &o->sessions, error);
    case OPT_JOINS:
        return read_number(id, text, 1, 4096, &o->joins, error);
    case OPT_USERS:
        return read_number(id, text, 0, many, &o->users, error);
    case OPT_PROFILE_BYTES:
        return read_number(id, text, 0, 1 << 20, &o->profile_bytes, error);
    case OPT_PRIORITY:
        return read_priority(o, text, error);
    case OPT_CHURN:
        return read_number(id, text, 0, many, &o->churn, error);
    case OPT_PACE:
        return read_number(id, text, 1, many, &o->pace, error);
    case OPT_HEARTBEAT:
        return read_heartbeat(o, text, error);
    case OPT_OBEY:
        return read_obey(o, text, error);
    case OPT_HEARTBEAT_MS:
        return read_number(id, text, 1, many, &o->heartbeat_ms, error);
    case OPT_SEED:
        o->has_seed = true;
        return read_number(id, text, 0, UINT64_C(1) << 53, &o->seed, error);
    case OPT_STOP_AFTER:
        return read_duration(id, text, &o->stop_after_ms, error);
    case OPT_INSTANCES:
        return read_number(id, text, 1, 1000, &o->instances, error);
    case OPT_KILL_EVERY:
        return read_duration(id, text, &o->kill_every_ms, error);
    case OPT_RETURN_AFTER:
        return read_duration(id, text, &o->return_after_ms, error);
    case OPT_PAUSE_EVERY:
        return read_duration(id, text, &o->pause_every_ms, error);
    case OPT_PAUSE_FOR:
        return read_duration(id, text, &o->pause_for_ms, error);
    case OPT_DURATION:
        return read_duration(id, text, &o->duration_ms, error);
    default:
        break;
    }
    switch (id) { /* what is only said, or a text as it is */
    case OPT_NO_LEAD:
        o->lead = false;
        break;
    case OPT_SHARED_IDS:
        o->shared_ids = true;
        break;
    case OPT_NO_HEARTBEAT:
        o->heartbeat = MU_SIM_SILENT;
        break;
    case OPT_NO_INBOX:
        o->inbox = false;
        break;
    case OPT_NO_FOLLOW:
        o->follow = false;
        break;
    case OPT_WATCH_ALL:
        o->watch_all = true;
        break;
    case OPT_TOKEN:
        o->token = text;
        break;
    case OPT_TLS_CA:
        o->tls.ca = text;
        break;
    case OPT_TLS_CERT:
        o->tls.certificate = text;
        break;
    case OPT_TLS_KEY:
        o->tls.key = text;
        break;
    case OPT_TLS_SERVER_NAME:
        o->tls.server_name = text;
        break;
    case OPT_REPORT:
        o->report_file = text;
        break;
    case OPT_EVENTS:
        o->events_file = text;
        break;
    case OPT_HELP:
        o->help = true;
        break;
    case OPT_VERSION:
        o->version = true;
        break;
    default:
        return mu_error_set(error, MUSTER_BAD_REQUEST, "unknown option or missing argument");
    }
    return MUSTER_OK;
}

/* Into every address, so that an option which does not fit one is an error. Those of sentinels have
 * got it. */
static enum muster_status set_tls(struct mu_sim_options *o, struct mu_error *error) {
    enum muster_status status = MUSTER_OK;
    size_t count = o->sentinels ? 0 : o->has_address ? 1 : o->doors.count;
    for (size_t i = 0; i < count && status == MUSTER_OK; i++) {
        struct mu_redis_address *address = o->has_address ? &o->address : &o->doors.addresses[i];
        status = mu_redis_address_set_tls(address, &o->tls, error);
        status = status == MUSTER_OK ? mu_tls_check(address, error) : status;
    }
    return status == MUSTER_OK ? status : mu_error_prefix(error, "--tls");
}

static enum muster_status read_sentinels(struct mu_sim_options *o, struct mu_error *error) {
    const struct mu_sentinel_names names = {
        .master = o->master, .list = o->sentinels, .url = o->url, .tls = o->tls};
    if (!o->sentinels || !o->master)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "--%s is missing",
                            o->sentinels ? "master" : "sentinel");
    return mu_sentinel_places_read(&names, &o->places, error);
}

static enum muster_status check_place(struct mu_sim_options *o, struct mu_error *error) {
    bool door = o->doors.count > 0;
    bool sentinels = o->sentinels || o->master;
    bool address = o->has_address && (!sentinels || !o->url);
    if (address + door + sentinels != 1)
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "one of --url, --state-dir, --door and --sentinel is needed");
    if (o->token && !door)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "--token is for doors");
    if (door && o->heartbeat == MU_SIM_CHANNEL)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "--heartbeat: a door has no such channel");
    return sentinels ? read_sentinels(o, error) : MUSTER_OK;
}

static enum muster_status check(struct mu_sim_options *o, struct mu_error *error) {
    enum muster_status status = check_place(o, error);
    if (status != MUSTER_OK)
        return status;
    if (o->command == MU_SIM_INSTANCE && !o->id)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "--id is missing");
    if (o->command == MU_SIM_CLUSTER && o->id)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "--id: a cluster names its instances");
    if (o->joins > o->sessions)
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "--joins: there are only %" PRIu64 " sessions", o->sessions);
    if (o->connections * o->joins > 50000000)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "--connections: too many memberships");
    return MUSTER_OK;
}

enum muster_status mu_sim_options_read(struct mu_sim_options *options, int argc, char **argv,
                                       struct mu_error *error) {
    *options = (struct mu_sim_options){
        .name_space = "muster",
        .prefix = "c",
        .session_prefix = "room-",
        .lead = true,
        .connections = 1000,
        .sessions = 200,
        .joins = 1,
        .profile_bytes = 60,
        .pace = 64,
        .inbox = true,
        .follow = true,
        .obey = true,
        .instances = 5,
        .return_after_ms = 15000,
        .pause_for_ms = 5000,
    };
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
        options->help = true;
        return MUSTER_OK;
    }
    if (strcmp(command, "--version") == 0) {
        options->version = true;
        return MUSTER_OK;
    }
    if (strcmp(command, "cluster") == 0)
        options->command = MU_SIM_CLUSTER;
    else if (strcmp(command, "instance") != 0)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "the first argument is instance or cluster");
    opterr = 0;
    optind = 2;
    int id;
    while ((id = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (id == 'h')
            id = OPT_HELP;
        if (id == '?')
            return mu_error_set(error, MUSTER_BAD_REQUEST, "%s: unknown option or missing argument",
                                argv[optind - 1]);
        if (id >= OPT_INSTANCES && id < OPT_HELP && options->command == MU_SIM_INSTANCE)
            return mu_error_set(error, MUSTER_BAD_REQUEST, "--%s is for clusters",
                                option_of(id)->name);
        enum muster_status status = take(options, id, optarg, error);
        if (status != MUSTER_OK)
            return status;
        if (id <= OPT_LAST_FORWARDED)
            forward(options, id, optarg);
    }
    if (optind < argc)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "unknown argument '%s'", argv[optind]);
    if (!options->has_seed)
        options->seed = mu_random_below(UINT64_C(1) << 32);
    if (options->token)
        mu_sim_doors_set_token(&options->doors, options->token);
    if (options->help || options->version)
        return MUSTER_OK;
    enum muster_status status = check(options, error);
    return status == MUSTER_OK ? set_tls(options, error) : status;
}

void mu_sim_options_deinit(struct mu_sim_options *options) {
    if (options->has_address)
        mu_redis_address_deinit(&options->address);
    mu_sim_doors_deinit(&options->doors);
    mu_sentinel_places_deinit(&options->places);
    for (size_t i = 0; i < options->forward_count; i++)
        free(options->forward[i]);
    free(options->forward);
    options->forward = NULL;
    options->forward_count = 0;
}
