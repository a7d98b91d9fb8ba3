/* SPDX-License-Identifier: Apache-2.0 */
/* muster tree: messages to all nodes of a tree of hops, acknowledged. */
#include <stdio.h>

#include "cli/run.h"
#include "cli/verbs.h"
#include "net/tree.h"

struct tree_args {
    struct mu_tree_run_conf conf;
    struct mu_body_conf body; /* for the options that programs share */
    const char *log;
    uint32_t seed;
};

#define TREE_OPTIONS 20

static void tree_table(struct tree_args *a,
                       struct cli_option table[TREE_OPTIONS])
{
    struct mu_tree_run_conf *c = &a->conf;
    const struct cli_option lines[] = {
        { "plan", CLI_TEXT, &c->plan, 0, 0, "FILE",
          "a line for each node: ID PARENT HOST:PORT; the root first, its "
          "parent -", false },
        { "id", CLI_TEXT, &c->identity, 0, 0, "ID",
          "which node; without it the root", false },
        { "key-file", CLI_TEXT, &c->key_file, 0, 0, "FILE",
          "mode 0600: the root key in hex, or a CSV of identity,key", false },
        { "messages", CLI_TEXT, &c->messages, 0, 0, "FILE",
          "root: a message a line; - is standard input", false },
        { "state", CLI_TEXT, &c->state, 0, 0, "FILE",
          "root: its chains, so that the next run goes on with them", false },
        { "full", CLI_FLAG, &c->full, 0, 0, "",
          "all hear the root; the tree is that of acknowledgements", false },
        { "shift", CLI_NUMBER, &c->shift, 0, 16, "BYTES",
          "between acknowledgements in a sum: 0, 2, 4, 8 or 16", false },
        { "wait-ms", CLI_NUMBER, &c->wait_ms, 1, 60000, "MS",
          "for a message down one hop and its answer", false },
        { "gather-ms", CLI_NUMBER, &c->gather_ms, 0, 3600000, "MS",
          "root: for nodes that have not come in yet", false },
        { "drop-in", CLI_NUMBER, &a->body.drop_in, 0, 100, "PERCENT",
          "for tests: lose so many datagrams that come in", false },
        { "seed", CLI_NUMBER, &a->seed, 0, UINT32_MAX, "N",
          "for tests: where the dice of the losses start", false },
        { "log", CLI_TEXT, &a->log, 0, 0, "LEVEL",
          "error, warn, info, debug or trace, on standard error", false },
        { 0 },
    };

    _Static_assert(sizeof(lines) / sizeof(lines[0]) <= TREE_OPTIONS,
                   "the table has room for its lines");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        table[i] = lines[i];
}

int verb_tree(int argc, char **argv)
{
    struct tree_args a = {
        .conf = { .wait_ms = 50, .gather_ms = 5000, .messages = "-" },
        .log = "info", .seed = 1,
    };
    struct cli_option table[TREE_OPTIONS];
    struct cli_options o = {
        .verb = "tree", .table = table,
        .about = "messages to all nodes of a tree of hops, acknowledged",
    };
    int code = 1;

    tree_table(&a, table);
    enum cli_parse parsed = cli_options_parse(&o, argc, argv);

    if (parsed == CLI_PARSE_DONE) {
        code = 0;
    } else if (parsed == CLI_PARSE_RUN &&
               cli_run_wants("tree", "plan", a.conf.plan) &&
               cli_run_wants("tree", "key-file", a.conf.key_file) &&
               cli_run_prepare("tree", a.log)) {
        a.conf.drop_in = a.body.drop_in;
        a.conf.seed = a.seed;
        code = mu_tree_run(&a.conf);
    }
    cli_options_clear(&o);
    return code;
}
