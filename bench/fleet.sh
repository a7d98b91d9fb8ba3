#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A campaign to 100,000 devices behind 1,000 gateways in one process (256 KiB, 5 % loss): wall time against five minutes, memory
# against 8 GB. Any other option goes to the simulator.
set -eu
json=
args=()
for a in "$@"; do
    case $a in
    --json) json=1 ;;
    --help) echo "usage: ./run bench fleet [--json] [options of muster sim]"; exit 0 ;;
    *) args+=("$a") ;;
    esac
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
read -r load _ </proc/loadavg
TIMEFORMAT='%U %S'
{ time "$MUSTER" sim --devices 100000 --gateways 1000 "${args[@]}" --json >"$dir/row"; } 2>"$dir/times"
read -r user system <"$dir/times"
if [ -n "$json" ]; then
    sed "s/}\$/,\"user_seconds\":$user,\"system_seconds\":$system,\"load_before\":$load}/" "$dir/row"
else
    awk -F'[,{}]' -v user="$user" -v sys="$system" -v load="$load" '{
        for (i = 1; i <= NF; i++) { split($i, f, ":"); gsub(/"/, "", f[1]); v[f[1]] = f[2] }
        printf "devices            %12d  all run it: %s\n", v["devices"], v["running"] == v["devices"] ? "yes" : "no"
        printf "wall seconds       %12.1f  target 300 (load before: %s)\n", v["wall_seconds"], load
        printf "user, system       %12.1f  %.1f\n", user, sys
        printf "memory, GB         %12.2f  target 8\n", v["peak_rss_kb"] * 1024 / 1e9
        printf "packet_ratio       %12s\nratio              %12s\n", v["packet_ratio"], v["ratio"] }' "$dir/row"
fi
