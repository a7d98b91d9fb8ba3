/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One story, word for word: what the server says it does, from the first start
 * to the end of a campaign with a revocation in it. MUSTER_UPDATE=1 writes the
 * file anew; the difference is to be read before it is committed.
 */
#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/vectors/server-story.txt"

static void tell(struct fleet *f)
{
    fleet_link(f);
    fleet_push(f);
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
    rig_run(&f->rig, MU_SECONDS(2));
    assert_int_equal(fleet_report(f, 0, 3, 0), MU_COAP_CHANGED);
    assert_int_equal(fleet_report(f, 3, 3, 7), MU_COAP_CHANGED);
    assert_int_equal(mu_server_device_revoke(&f->rig.server, rig_id("a1")), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(1));
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
    rig_run(&f->rig, MU_SECONDS(2));
    assert_int_equal(rig_restart(&f->rig), 0);
    for (unsigned g = 0; g < 2; g++)
        area_link(&f->gw[g]);
    rig_run(&f->rig, MU_SECONDS(3));
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 15, 0, 1,
                                fleet_names + 2, 1), MU_COAP_UNAUTHORIZED);
    for (unsigned i = 0; i < 4; i++)
        if (i != 1)
            assert_int_equal(fleet_report(f, i, 15, 0), MU_COAP_CHANGED);
}

static void test_story(void **state)
{
    (void)state;
    static char golden[RIG_TRACE_MAX];
    struct fleet *f = fleet_open(0);
    FILE *file;
    size_t len;
    tell(f);
    if (getenv("MUSTER_UPDATE") != NULL) {
        file = fopen(GOLDEN, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(f->rig.trace, 1, f->rig.trace_len, file),
                         f->rig.trace_len);
        fclose(file);
    }
    file = fopen(GOLDEN, "r");
    assert_non_null(file);
    len = fread(golden, 1, sizeof golden - 1, file);
    fclose(file);
    golden[len] = '\0';
    assert_string_equal(f->rig.trace, golden);
    fleet_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
