#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What each attack of `muster sim --attack` costs the attacker and the fleet,
# beside the same run without it. Any other option goes to the simulator.
set -eu
json=
args=()
for a in "$@"; do
    case $a in
    --json) json=1 ;;
    --help) echo "usage: ./run bench attacks [--json] [options of muster sim]"; exit 0 ;;
    *) args+=("$a") ;;
    esac
done
[ -n "$json" ] || printf '%-15s %9s %11s %9s %9s %8s %7s %6s\n' attack packets "its bytes" bytes seconds running proved wrong
# Strangers shout a hundred packets for a genuine one, members with keys twenty.
for attack in bogus-data:100 bogus-parity:100 replay:100 jam:0 drop:0 modify:0 re-request:20 false-loss:20 manifest-flood:20 evil-device:20 \
              forged-acks:0 polluted-acks:0 evil-gateway:0; do
    row=$("$MUSTER" sim --devices 100 --gateways 2 --seed 7 --attack "${attack%:*}" --flood "${attack#*:}" "${args[@]}" --json) || [ $? = 2 ]
    if [ -n "$json" ]; then
        echo "$row"
    else
        echo "$row" | awk -F'[,{}]' '{
            for (i = 1; i <= NF; i++) { split($i, f, ":"); gsub(/"/, "", f[1]); gsub(/"/, "", f[2]); v[f[1]] = f[2] }
            printf "%-15s %9d %11d %+8.1f%% %+9.1f %8d %7d %6d\n", v["attack"], v["attack_packets"], v["attack_bytes"],
                ((v["area_bytes"] - v["rest_bytes"]) / v["clean_area_bytes"] - 1) * 100, v["virtual_seconds"] - v["clean_seconds"],
                v["running"], v["proved"], v["forged_accepted"] + v["liars_believed"] + v["revoked_opened"] }'
    fi
done
