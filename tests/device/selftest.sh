#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/device/selftest.sh FIRMWARE: known answers of PSA Crypto on the device.
set -eu
if [ ! -f "$1" ]; then
    echo "$1 is not built"
    [ "${MUSTER_REQUIRE_ALL:-}" ] && exit 1
    exit 77
fi
said=$(ports/cortex-m/qemu.sh "$1")
echo "$said"
[ "${said%%
*}" = "crypto self-test: no error" ]
