#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job, with real processes on loopback: a server, two gateways, 24
# devices, one file. One datagram in ten is lost in the area networks, a forger
# shouts into both of them, and half way one device is revoked.
#
#   ./run demo [main] [FILE]      FILE: what to push (the muster program itself)
set -eu
muster=${MUSTER:?run this with ./run demo}
forger=$(dirname "$muster")/../tools/forger/forger
file=${1:-$muster}
devices=24
lost=10        # percent of datagrams, in the area networks
forged=1000    # packets shouted into each area network
seed=${SEED:-7}

# shellcheck source=tools/demo/common
. "$(dirname "$0")/common"

[ -f "$file" ] || fail "$file: no such file"
[ -x "$forger" ] || fail "the forger is not built"
size=$(wc -c <"$file")
digest=$(sha256sum <"$file" | cut -d' ' -f1)

# ---- the fleet ------------------------------------------------------------

say "fleet      a server, 2 gateways, $devices devices; $lost % of the datagrams in the area networks are lost"
mkdir "$here/server"
start server "$muster" serve --state "$here/server" --iface lo \
    --listen 127.0.0.1:0 --http 127.0.0.1:0 --wide-group 239.77.84.1:5684 --log warn
http=$(ready server http)
listen=$(ready server listen)

api group create fleet >/dev/null
for g in 1 2; do
    new_key "$here/gw-$g.key"
    api gateway add --id "gw-$g" --key-file "$here/gw-$g.key" >/dev/null
    mkdir "$here/gw-$g"
    start "gw-$g" "$muster" gateway --id "gw-$g" --key-file "$here/gw-$g.key" \
        --server "$listen" --listen 127.0.0.1:0 --state "$here/gw-$g" --iface lo \
        --area-group "239.77.85.$g:$((5690 + g))" --drop-in $lost --seed "$seed$g" --json --log warn
done

echo "identity,key,gateway,group" >"$here/fleet.csv"
i=1
while [ $i -le $devices ]; do
    new_key "$here/dev-$i.key"
    echo "dev-$i,$(cat "$here/dev-$i.key"),gw-$((1 + i % 2)),fleet" >>"$here/fleet.csv"
    i=$((i + 1))
done
api device import "$here/fleet.csv" >/dev/null

i=1
while [ $i -le $devices ]; do
    mkdir "$here/dev-$i"
    start "dev-$i" "$muster" device --id "dev-$i" --key-file "$here/dev-$i.key" \
        --gateway "$(ready "gw-$((1 + i % 2))" listen)" --state "$here/dev-$i" --iface lo \
        --hook "cp \"\$1\" '$here/dev-$i/installed'" --confirm-hook "test -s '$here/dev-$i/installed'" \
        --drop-in $lost --seed "$seed$i" --json --log warn
    i=$((i + 1))
done
until_current fleet $devices
say "keys       every device holds the key of its group, from the server, unread by its gateway"

# ---- the push --------------------------------------------------------------

for g in 1 2; do
    start "forger-$g" "$forger" "239.77.85.$g:$((5690 + g))" 127.0.0.1 $forged 50 "$g"
done
say "push       $(basename "$file"), $size bytes, to 24; a forger in each area network"
api push "$file" --group fleet --deadline 50s --json >"$here/report.json" &
pid_push=$!
pids="$pids $pid_push"

tries=0
until [ "$(sed -n 's/.*"page":\([0-9]*\),"pages":\([0-9]*\).*/\1 \2/p' "$here/dev-24.ready" |
    awk '2 * $1 >= $2 && $2 > 0 { yes = 1 } END { print yes + 0 }')" = 1 ]; do
    tries=$((tries + 1))
    [ $tries -lt 900 ] || fail "dev-24 never got half of it"
    sleep 0.02
done
api device revoke dev-24 >/dev/null
say "revoked    dev-24, with half of the file in hand"

code=0
wait $pid_push || code=$?
pids=${pids% "$pid_push"}

# ---- the report -------------------------------------------------------------

stop_all
running=$(number "$here/report.json" running)
members=$(($(number "$here/report.json" members) - $(number "$here/report.json" revoked)))
same=0
i=1
while [ $i -lt $devices ]; do
    [ "$(sha256sum <"$here/dev-$i/installed" 2>/dev/null | cut -d' ' -f1)" != "$digest" ] || same=$((same + 1))
    i=$((i + 1))
done
opened=0
[ ! -e "$here/dev-24/installed" ] || opened=1
! grep -q '"verified"' "$here/dev-24.ready" || opened=1

# What devices refused as forged, and what they took beyond the genuine.
refused=$(sed -n 's/.*"heard":{[^}]*"forged":\([0-9]*\).*/\1/p' "$here"/dev-*.ready | awk '{ n += $1 } END { print n + 0 }')
shouted=$(sed -n 's/.*"forged":\([0-9]*\).*/\1/p' "$here"/forger-*.ready | awk '{ n += $1 } END { print n + 0 }')

say ""
say "running    $running of $members devices run the file"
say "digests    $same of $members equal to the file's, $digest"
say "revoked    dev-24 $([ $opened = 0 ] && echo "could not open it" || echo "OPENED IT")"
say "forged     $shouted packets shouted, $refused refused by the devices that heard them, $((members - same)) devices misled"
for g in 1 2; do
    tr -d '\n ' <"$here/report.json" | sed 's/.*"areas":\[\([^]]*\)\].*/\1/' | tr '}' '\n' |
        grep "\"gw-$g\"" | sed -n 's/.*"bytes":\([0-9]*\).*/\1/p' |
        awk -v g=$g -v size="$size" -v n=$((devices / 2)) -v p="$lost" '{
            packets = int((size + 1023) / 1024)
            bound = packets / (1 - p / 100) * (1024 + 42)
            printf "area gw-%d  %d bytes on the medium; unicast to each would take %d (%.1f times), a perfect code %d (%.2f of ours)\n",
                g, $1, n * bound, n * bound / $1, bound, bound / $1 }'
done
[ $code = 0 ] && [ "$running" = 23 ] && [ $same = 23 ] && [ $opened = 0 ] ||
    fail "not as it should be (push ended with $code)"
say "done       in $(($(date +%s) - began)) seconds"
