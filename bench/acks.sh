#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Messages and bytes of acknowledgements, and of finding who spoils them.
set -eu
cd "$(dirname "$0")/.."
seeds=10
while [ $# -gt 0 ]; do
    case $1 in
    --json) ;; # the only form there is
    --seeds) seeds=$2; shift ;;
    *) echo "usage: ./run bench acks [--json] [--seeds N]" >&2; exit 2 ;;
    esac
    shift
done
exec "$(dirname "$MUSTER")/../bench/bench_acks" "$seeds"
