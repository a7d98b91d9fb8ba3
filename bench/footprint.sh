#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Flash and RAM of a device that receives, part by part: code and variables
# from the link map, stack and heap from a reception that really ran under
# qemu. Called by `./run bench footprint [--json]`.
set -eu
cd "$(dirname "$0")/.."
json=0
[ "${1:-}" != --json ] || json=1

./run build device-min
firmware=build/device-min/ports/cortex-m
said=$(tests/device/receive.sh $firmware/receive.elf \
    build/release/tests/device/device_record)
line=$(printf '%s\n' "$said" | grep '^stack ')
stack=$(printf '%s\n' "$line" | sed 's/^stack \([0-9]*\).*/\1/')
heap=$(printf '%s\n' "$line" | sed 's/.*Mbed TLS \([0-9]*\) .*/\1/')
exec awk -v json=$json -v stack="$stack" -v heap="$heap" \
    -f bench/footprint.awk src/core.txt $firmware/receive.map
