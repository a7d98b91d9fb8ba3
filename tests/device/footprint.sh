#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/device/footprint.sh MAP: the receiver's code and RAM stay within what
# was promised: 14 KB of the core's flash, 2.5 KB beside the page buffer.
set -eu
if [ ! -f "$1" ]; then
    echo "$1 is not there"
    [ "${MUSTER_REQUIRE_ALL:-}" ] && exit 1
    exit 77
fi
exec awk -v json=0 -v stack=0 -v heap=0 -v flash_max=14336 -v ram_max=2560 \
    -f bench/footprint.awk src/core.txt "$1"
