#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ports/cortex-m/qemu.sh FIRMWARE.elf: runs it on an emulated Cortex-M3, in the
# current folder; its text is on standard output, its exit code is ours.
exec timeout 120 qemu-system-arm -M mps2-an385 -display none -monitor none \
    -serial null -chardev stdio,id=text \
    -semihosting-config enable=on,target=native,chardev=text \
    -kernel "$1" </dev/null
