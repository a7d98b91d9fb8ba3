#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/device/receive.sh FIRMWARE RECORDER: a whole image through losses and
# forgeries into an emulated Cortex-M3. It must come out the same, and the
# device must have taken and refused exactly what the same engine did here.
set -eu
if [ ! -f "$1" ]; then
    echo "$1 is not built"
    [ "${MUSTER_REQUIRE_ALL:-}" ] && exit 1
    exit 77
fi
qemu=$PWD/ports/cortex-m/qemu.sh
firmware=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$2" "$folder"
cd "$folder"
"$qemu" "$firmware" >said.txt || { cat said.txt; exit 1; }
cat said.txt
head -n 3 said.txt | diff expected.txt -
cmp image.bin received.bin
