/* SPDX-License-Identifier: Apache-2.0 */
/* muster VERB ...: finds the verb in the table and runs it. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

static void main_help(FILE *to)
{
    fprintf(to, "muster - one file to every device behind every gateway, and "
                "proof that it got there\n\nusage: muster VERB ...\n\n");
    for (const struct cli_verb *v = cli_verbs; v->name != NULL; v++)
        fprintf(to, "  %-11s %s\n", v->name, v->help);
    fprintf(to, "\nmuster VERB --help tells more.\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0 ||
        strcmp(name, "-h") == 0) {
        main_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (const struct cli_verb *v = cli_verbs; v->name != NULL; v++) {
        if (strcmp(v->name, name) == 0)
            return v->run(argc - 1, argv + 1);
    }
    if (*name != '\0')
        fprintf(stderr, "muster: there is no verb \"%s\"\n", name);
    main_help(stderr);
    return 1;
}
