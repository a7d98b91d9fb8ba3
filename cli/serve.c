/* SPDX-License-Identifier: Apache-2.0 */
/* muster serve: runs the server and its HTTP API. */
#include "api/api.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "net/serve.h"

struct serve_args {
    struct mu_serve_conf conf;
    const char *log;
    uint32_t overhead, payload, page_data, page_parity, hash;
};

#define SERVE_OPTIONS 48

/* How devices may have their keys. */
#define SERVE_EXCHANGE_OPTIONS(c)                                              \
    { "key-exchange", CLI_TEXT, &(c)->key_exchange, 0, 0, "LIST",              \
      "by which methods devices get keys, others none: psk, rsa, rsa-r, "      \
      "dhsign, dhmac; all that there is a certificate for", false },           \
    { "key-protocols", CLI_TEXT, &(c)->key_protocols, 0, 0, "LIST",            \
      "what an exchange may key: oscore,hop,mbms; all of them", false },       \
    CLI_CERTIFICATE_OPTIONS(&(c)->exchange, "the server")

static void serve_table(struct serve_args *a,
                        struct cli_option table[SERVE_OPTIONS])
{
    struct mu_serve_conf *c = &a->conf;
    const struct cli_option lines[] = {
        { "id", CLI_TEXT, &c->identity, 0, 0, "ID",
          "identity of the server, that gateways know it by", false },
        { "state", CLI_TEXT, &c->state_dir, 0, 0, "DIR",
          "database and objects", false },
        { "master-key-file", CLI_TEXT, &c->master_key_file, 0, 0, "FILE",
          "mode 0600, seals the keys in the database; STATE/master.key, made "
          "when absent", false },
        { "listen", CLI_TEXT, &c->listen, 0, 0, "HOST:PORT",
          "for gateways; port 0: any", false },
        { "wide-group", CLI_TEXT, &c->wide_group, 0, 0, "ADDR:PORT",
          "multicast group of the gateways, or unicast", false },
        CLI_WAYS_OPTIONS(&c->ways),
        { "wide-up", CLI_TEXT, &c->wide_up, 0, 0, "HOST:PORT",
          "where gateways send feedback; the host of --listen, any port",
          false },
        { "iface", CLI_TEXT, &c->iface, 0, 0, "IF",
          "interface of multicast", false },
        { "hops", CLI_NUMBER, &c->body.hops, 0, 255, "N",
          "TTL or hop limit of multicast", false },
        { "http", CLI_TEXT, &c->http_listen, 0, 0, "HOST:PORT",
          "of the operator's API; port 0: any", false },
        { "token-file", CLI_TEXT, &c->token_file, 0, 0, "FILE",
          "of the API, mode 0600; STATE/token, made when absent", false },
        { "rate", CLI_NUMBER, &c->wide_rate, 0, UINT32_MAX, "BYTES",
          "a second towards the gateways; 0: without pause", false },
        { "yield", CLI_FLAG, &c->yields, 0, 0, "",
          "that rate at most: other traffic goes first", false },
        { "window-ms", CLI_NUMBER, &c->wide_window_ms, 1, 60000, "MS",
          "for answers to a poll: more than a round trip", false },
        { "loss-permille", CLI_NUMBER, &c->wide_loss_permille, 0, 900, "N",
          "first guess of the loss towards the gateways", false },
        { "overhead", CLI_NUMBER, &a->overhead, 0, 1000, "BYTES",
          "link, IP and UDP headers of a packet, for the rate", false },
        { "campaigns-max", CLI_NUMBER, &c->campaigns_max, 1, MU_SESSIONS_MAX,
          "N", "campaigns at once", false },
        { "gateways-max", CLI_NUMBER, &c->gateways_max, 1, 65535, "N",
          "gateways", false },
        { "connections-max", CLI_NUMBER, &c->connections_max, 1, 1000000, "N",
          "end-to-end connections kept", false },
        { "rekey-s", CLI_NUMBER, &c->rekey_s, 0, UINT32_MAX, "S",
          "the key of every group is made anew so often, also over "
          "restarts; 0: when somebody leaves or joins, or by group rotate", false },
        { "scheme-kb", CLI_NUMBER, &c->scheme_kb, 0, 1048576, "KIB",
          "of memory for the trees of a group whose key changes by a scheme, "
          "and as much for a copy; "
          "the default is enough for a million members with any scheme", false },
        { "trace-generations", CLI_NUMBER, &c->trace_generations, 0, 255, "N",
          "trees of the past, of each group with a scheme, whose keys group "
          "trace still knows: 8 bytes a member each", false },
        SERVE_EXCHANGE_OPTIONS(c),
        { "payload", CLI_NUMBER, &a->payload, MU_PAYLOAD_MIN, MU_PACKET_MAX,
          "BYTES", "of a cast packet", false },
        { "page-data", CLI_NUMBER, &a->page_data, 1, MU_PAGE_DATA_MAX, "N",
          "data packets of a page", false },
        { "page-parity", CLI_NUMBER, &a->page_parity, 0, MU_PAGE_PARITY_MAX,
          "N", "parity packets of a page, at most", false },
        { "hash", CLI_NUMBER, &a->hash, MU_HASH_MIN, MU_HASH_MAX, "BYTES",
          "of a packet's hash", false },
        CLI_RUN_OPTIONS(&c->body, &a->log),
        { 0 },
    };

    _Static_assert(sizeof(lines) / sizeof(lines[0]) <= SERVE_OPTIONS,
                   "the table has room for its lines");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        table[i] = lines[i];
}

static void serve_defaults(struct serve_args *a)
{
    *a = (struct serve_args){
        .log = "info", .overhead = 42, .payload = 1024, .page_data = 64,
        .page_parity = 64, .hash = 8,
    };
    a->conf = (struct mu_serve_conf){
        .identity = "server", .listen = "0.0.0.0:5684",
        .wide_group = "unicast", .http_listen = "127.0.0.1:5680",
        .wide_rate = 12500000, /* 100 Mb/s */
        .wide_window_ms = 100, .wide_loss_permille = 5,
        .campaigns_max = MU_SESSIONS_MAX, .gateways_max = 1024,
        .connections_max = 20000, .scheme_kb = 8192,
        .trace_generations = 8, .body = mu_body_defaults,
        .extension = &mu_api_extension,
    };
}

static void serve_take(struct serve_args *a)
{
    a->conf.wide_overhead = (uint16_t)a->overhead;
    a->conf.shape = (struct mu_cast_shape){
        .payload = (uint16_t)a->payload, .page_data = (uint16_t)a->page_data,
        .page_parity = (uint16_t)a->page_parity, .hash_len = (uint8_t)a->hash,
    };
}

static struct cli_options serve_options(struct cli_option *table)
{
    return (struct cli_options){
        .verb = "serve", .about = "runs the server", .table = table,
    };
}

void cli_serve_configfile(bool json)
{
    struct serve_args a;
    struct cli_option table[SERVE_OPTIONS];
    struct cli_options o = serve_options(table);

    serve_defaults(&a);
    serve_table(&a, table);
    cli_options_configfile(&o, json);
}

int verb_serve(int argc, char **argv)
{
    struct serve_args a;
    struct cli_option table[SERVE_OPTIONS];
    struct cli_options o = serve_options(table);
    int code = 1;

    serve_defaults(&a);
    serve_table(&a, table);
    enum cli_parse parsed = cli_options_parse(&o, argc, argv);

    if (parsed == CLI_PARSE_DONE)
        code = 0;
    else if (parsed == CLI_PARSE_RUN &&
             cli_run_wants("serve", "state", a.conf.state_dir) &&
             cli_run_yields("serve", a.conf.yields, a.conf.wide_rate) &&
             cli_run_prepare("serve", a.log)) {
        serve_take(&a);
        code = mu_serve_run(&a.conf);
    }
    cli_options_clear(&o);
    return code;
}
