#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/tidy over this tree, with the symbols of the core as it is shipped (a
# sanitizer's build has symbols of its own). `./run test` builds both before.
set -eu
libraries=
for preset in release device-min; do
    library=build/$preset/libmuster_core.a
    if [ -f "$library" ]; then
        libraries="$libraries $library"
    elif [ "${MUSTER_REQUIRE_ALL:-}" ]; then
        echo "$library is not built"
        exit 1
    fi
done
# shellcheck disable=SC2086 # a list of words
exec tools/tidy . $libraries
