/* SPDX-License-Identifier: Apache-2.0 */
/* What a program does when an assertion of the core does not hold. */
#include "muster/assert.h"

#include <stdio.h>
#include <stdlib.h>

void mu_assert_failed(const char *file, int line)
{
    fprintf(stderr, "muster: a bug: assertion at %s:%d does not hold\n", file,
            line);
    abort();
}
