#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A stolen device cut off in a running group of 200, with real processes: a
# server, two gateways, 200 devices in two processes. All of them are in two
# groups, one whose key changes by subset difference and one whose members fetch
# each new key. The same device leaves both, and every byte that this took is
# counted where it passed. Then a file is pushed: the stolen device hears every
# packet of it and has no key.
#
#   ./run demo rekey
set -eu
muster=${MUSTER:?run this with ./run demo}
devices=200
stolen=dev-$devices
window=6 # seconds in which the bytes of one departure are counted

# A network of its own, where that can be had: then no other byte counts.
if [ -z "${DEMO_NET:-}" ]; then
    for user in '' -r; do
        # shellcheck disable=SC2086 # an option or nothing
        if unshare $user -n true 2>/dev/null && command -v ip >/dev/null; then
            DEMO_NET=own exec unshare $user -n "$0" "$@"
        fi
    done
    DEMO_NET=shared
fi
[ "$DEMO_NET" = shared ] || ip link set lo up

# shellcheck source=tools/demo/common
. "$(dirname "$0")/common"

# wire: bytes and packets that have passed on the loopback interface.
wire() { sed -n 's/^ *lo: *//p' /proc/net/dev | awk '{ print $9, $10 }'; }

# count COMMAND...: runs it, and prints the bytes and packets of the window that
# begins with it. Asking how far it is happens at the same times in each window.
count()
{
    from=$(wire)
    "$@" >/dev/null
    i=0
    held=
    while [ $i -lt $((window * 2)) ]; do
        sleep 0.5
        i=$((i + 1))
        hold=$(current "$group")
        [ -n "$held" ] || [ "${hold:-0}" -lt $((devices - 1)) ] || held=$i
    done
    echo "$from $(wire) ${held:-0}" | awk '{ print $3 - $1, $4 - $2, $5 / 2 }'
}

say "fleet      a server, 2 gateways, $devices devices; all in two groups"
mkdir "$here/server"
start server "$muster" serve --state "$here/server" --iface lo \
    --listen 127.0.0.1:0 --http 127.0.0.1:0 --wide-group 239.77.87.1:5684 --log warn
http=$(ready server http)
listen=$(ready server listen)

api group create by-all --scheme sd >/dev/null
api group create by-one >/dev/null
for g in 1 2; do
    new_key "$here/gw-$g.key"
    api gateway add --id "gw-$g" --key-file "$here/gw-$g.key" >/dev/null
    mkdir "$here/gw-$g" "$here/devices-$g"
    start "gw-$g" "$muster" gateway --id "gw-$g" --key-file "$here/gw-$g.key" \
        --server "$listen" --listen 127.0.0.1:0 --state "$here/gw-$g" --iface lo \
        --area-group "239.77.88.$g:$((5690 + g))" --json --log warn
    (umask 077; echo "identity,key" >"$here/keys-$g.csv")
done

echo "identity,key,gateway,group" >"$here/fleet.csv"
od -An -v -tx1 -w32 -N$((32 * devices)) /dev/urandom | tr -d ' ' |
    awk -v here="$here" '{
        g = 1 + NR % 2
        print "dev-" NR "," $1 ",gw-" g ",by-all" >>(here "/fleet.csv")
        print "dev-" NR "," $1 >>(here "/keys-" g ".csv") }'
api device import "$here/fleet.csv" >/dev/null
api group add by-one --all >/dev/null
for g in 1 2; do
    start "devices-$g" "$muster" device --count $((devices / 2)) --key-file "$here/keys-$g.csv" \
        --gateway "$(ready "gw-$g" listen)" --state "$here/devices-$g" --iface lo \
        --hook "sha256sum <\"\$1\" >\"\$1.sum\"" --json --log warn
done
until_current by-all $devices
until_current by-one $devices
sleep 2 # what was asked for last is on its way
say "keys       every device holds both keys, and its labels of the tree"
say ""
api group explain by-all
say ""

# ---- the departure, twice ---------------------------------------------------

group=by-all
count true >"$here/idle"
count api group remove by-all "$stolen" >"$here/all"
api report --json >"$here/rekey.json"
group=by-one
count api group remove by-one "$stolen" >"$here/one"
say "stolen     $stolen has left both groups; $((devices - 1)) stay"

# ---- what is pushed next ------------------------------------------------------

file=$here/file
head -c 50000 /dev/urandom >"$file"
digest=$(sha256sum <"$file")
code=0
api push "$file" --group by-all --deadline 20s --json >"$here/report.json" || code=$?
stop_all
same=$(find "$here" -name '*.sum' -exec grep -l "${digest%% *}" {} + | wc -l)
# The stolen device sits with the others and hears what they hear.
sums() { find "$here" -path "*/$1/*" -name '*.sum' | wc -l; }
theft=$(sums "$stolen")
[ "$(sums dev-1)" = 1 ] || fail "dev-1 has no file to compare with"

# ---- the bill -----------------------------------------------------------------

say ""
# What the gateways put on the media of their areas, and the answers: a proof that
# the key is held has 22 bytes (docs/wire-format.md s.6.3), each packet 42 of
# Ethernet, IP and UDP.
held=$(number "$here/rekey.json" running)
tr -d '\n ' <"$here/rekey.json" | sed 's/.*"areas":\[\([^]]*\)\].*/\1/' | tr '}' '\n' |
    sed -n 's/.*"control":\([0-9]*\),"bytes":\([0-9]*\),"feedback":\([0-9]*\).*/\1 \2 \3/p' |
    awk '{ p += $1; b += $2; f += $3 }
        END { printf "multicast  %d packets in the two areas, %d bytes with all headers: the key for everybody who stays, three times over, and the census\n", p, b - f * 64
              printf "proofs     %d, %d bytes with all headers: each member shows that it holds the key\n", f, f * 64 }'
for way in all one; do
    cat "$here/idle" "$here/$way" | awk -v way=$way -v n=$((devices - 1)) '
        NR == 1 { b = $1; p = $2 }
        NR == 2 { name = way == "all" ? "by-all    " : "by-one    "
            how = way == "all" ? "one message for all" : "a message for each"
            printf "%s %d bytes, %d packets, %.1f bytes a member, on all networks; %s; in force everywhere after %.1f s\n",
                name, $1 - b, $2 - p, ($1 - b) / n, how, $3 }'
done
say "$(cat "$here/idle" "$here/all" "$here/one" | awk '
    NR == 1 { idle = $1 } NR == 2 { all = $1 - idle }
    NR == 3 { one = $1 - idle; printf "saved      %.1f times fewer bytes, by what passed on the wire", one / all }')"
say "pushed     $same of $((devices - 1)) run the file; $stolen $([ "$theft" = 0 ] && echo "could not open it" || echo "OPENED IT")"
case "$code $same $theft $held" in
"0 $((devices - 1)) 0 $((devices - 1))") ;;
*) fail "not as it should be (push ended with $code, $held hold the key)" ;;
esac
say "done       in $(($(date +%s) - began)) seconds"
