/* SPDX-License-Identifier: Apache-2.0 */
/* muster gateway: runs a gateway, or talks to the server about them. */
#include "cli/client.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "net/gateway.h"

struct gateway_args {
    struct mu_gateway_run_conf conf;
    const char *log;
    uint32_t seed;
    uint32_t airtime;
};

#define GATEWAY_OPTIONS 48

static void gateway_table(struct gateway_args *a,
                          struct cli_option table[GATEWAY_OPTIONS])
{
    struct mu_gateway_run_conf *c = &a->conf;
    const struct cli_option lines[] = {
        { "id", CLI_TEXT, &c->identity, 0, 0, "ID", "identity", false },
        { "key-file", CLI_TEXT, &c->key_file, 0, 0, "FILE",
          "mode 0600: the root key in hex, or a CSV of identity,key", false },
        { "server", CLI_TEXT, &c->server, 0, 0, "HOST:PORT",
          "where the server listens", false },
        { "listen", CLI_TEXT, &c->listen, 0, 0, "HOST:PORT",
          "for devices; port 0: any", false },
        { "area-group", CLI_TEXT, &c->area_group, 0, 0, "ADDR:PORT",
          "multicast group of the area network, or unicast", false },
        CLI_WAYS_OPTIONS(&c->ways),
        { "state", CLI_TEXT, &c->state_dir, 0, 0, "DIR",
          "journal and objects", false },
        { "iface", CLI_TEXT, &c->iface, 0, 0, "IF",
          "interface of multicast", false },
        { "hops", CLI_NUMBER, &c->body.hops, 0, 255, "N",
          "TTL or hop limit of multicast", false },
        { "area-up-port", CLI_NUMBER, &c->area_up_port, 0, 65535, "PORT",
          "where devices send feedback; 0: any", false },
        { "wide-port", CLI_NUMBER, &c->wide_port, 0, 65535, "PORT",
          "where unicast copies of the server's cast come in; 0: any", false },
        { "rate", CLI_NUMBER, &c->rate, 0, UINT32_MAX, "BYTES",
          "a second on the area network; 0: without pause", false },
        { "airtime", CLI_NUMBER, &a->airtime, 1, 100, "PERCENT",
          "of that rate, for campaigns and the answers to them", false },
        { "yield", CLI_FLAG, &c->yields, 0, 0, "",
          "that rate at most: other traffic goes first", false },
        { "hold-s", CLI_NUMBER, &c->hold_s, 0, 86400, "S",
          "a campaign waits so long for devices that sleep, so that what is "
          "sent serves them too; 0: not", false },
        { "window-ms", CLI_NUMBER, &c->window_ms, 1, 60000, "MS",
          "for answers to a poll: more than a round trip", false },
        { "loss-permille", CLI_NUMBER, &c->loss_permille, 0, 900, "N",
          "first guess of the loss in the area", false },
        { "overhead", CLI_NUMBER, &c->overhead, 0, 1000, "BYTES",
          "link, IP and UDP headers of a packet, for the rate", false },
        { "devices-max", CLI_NUMBER, &c->devices_max, 1, MU_AREA_DEVICES_MAX,
          "N", "devices of the area", false },
        { "payload-max", CLI_NUMBER, &c->payload_max, MU_PAYLOAD_MIN,
          MU_PACKET_MAX, "BYTES", "the largest cast packet", false },
        { "page-packets-max", CLI_NUMBER, &c->page_packets_max, 1,
          MU_PAGE_PACKETS_MAX, "N", "the largest page", false },
        CLI_SPEAK_OPTIONS("alerts", c),
        CLI_DROP_OPTIONS(&c->body, &a->seed),
        CLI_RUN_OPTIONS(&c->body, &a->log),
        { 0 },
    };

    _Static_assert(sizeof(lines) / sizeof(lines[0]) <= GATEWAY_OPTIONS,
                   "the table has room for its lines");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        table[i] = lines[i];
}

static void gateway_defaults(struct gateway_args *a)
{
    *a = (struct gateway_args){ .log = "info", .seed = 1, .airtime = 100 };
    a->conf = (struct mu_gateway_run_conf){
        .listen = "0.0.0.0:5684", .area_group = "239.77.85.1:5690",
        .devices_max = 1024, .payload_max = MU_PACKET_MAX,
        .page_packets_max = MU_PAGE_PACKETS_MAX,
        .rate = 1250000, /* 10 Mb/s */
        .overhead = 42,  /* Ethernet 14, IPv4 20, UDP 8 */
        .window_ms = 50, .loss_permille = 50, .hold_s = 300,
        .body = mu_body_defaults,
        .alert_copies = 3, .alert_interval_ms = 1000,
    };
}

static struct cli_options gateway_options(struct cli_option *table)
{
    return (struct cli_options){
        .verb = "gateway", .about = "runs a gateway", .table = table,
        .also = "muster gateway add|list|remove; muster gateway add --help",
    };
}

void cli_gateway_configfile(bool json)
{
    struct gateway_args a;
    struct cli_option table[GATEWAY_OPTIONS];
    struct cli_options o = gateway_options(table);

    gateway_defaults(&a);
    gateway_table(&a, table);
    cli_options_configfile(&o, json);
}

/* The air-time budget: campaigns take their share of the medium, on the average
 * and at any time. */
static uint32_t gateway_rate(const struct gateway_args *a)
{
    uint64_t rate = (uint64_t)a->conf.rate * a->airtime / 100;

    return rate == 0 && a->conf.rate != 0 ? 1 : (uint32_t)rate;
}

static bool gateway_airtime(const struct gateway_args *a)
{
    if (a->conf.rate != 0 || a->airtime == 100)
        return true;
    fputs("muster gateway: --airtime is a share of --rate, which is not "
          "bounded\n", stderr);
    return false;
}

int verb_gateway(int argc, char **argv)
{
    struct gateway_args a;
    struct cli_option table[GATEWAY_OPTIONS];
    struct cli_options o = gateway_options(table);
    int code = 1;

    if (argc > 1 && argv[1][0] != '-')
        return verb_admin_gateway(argc, argv);
    gateway_defaults(&a);
    gateway_table(&a, table);
    enum cli_parse parsed = cli_options_parse(&o, argc, argv);

    if (parsed == CLI_PARSE_DONE)
        code = 0;
    else if (parsed == CLI_PARSE_RUN &&
             cli_run_wants("gateway", "id", a.conf.identity) &&
             cli_run_wants("gateway", "key-file", a.conf.key_file) &&
             cli_run_wants("gateway", "server", a.conf.server) &&
             cli_run_wants("gateway", "state", a.conf.state_dir) &&
             gateway_airtime(&a) &&
             cli_run_scheme("gateway", a.conf.scheme) &&
             cli_run_yields("gateway", a.conf.yields, a.conf.rate) &&
             cli_run_prepare("gateway", a.log)) {
        a.conf.body.seed = a.seed;
        a.conf.rate = gateway_rate(&a);
        code = mu_gateway_run(&a.conf);
    }
    cli_options_clear(&o);
    return code;
}
