#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same file to the same receivers, by Muster, by uftp and by NORM, side by
# side: real processes, each receiver in a network namespace of its own, loss at
# each receiver, one rate, one size of packet. Needs root for the namespaces.
#
#   ./run bench cast [--json] [--size BYTES] [--receivers "1 8 32"]
#                    [--loss "0 5 10"] [--runs N] [--rate KBIT]
#                    [--payload BYTES] [--programs "muster uftp norm"]
#                    [--limit SECONDS]
#
# One comparison in a minute: --receivers 8 --loss 5 --size 4194304 --runs 1.
#
# seconds: from the start of the sender (uftp, NORM) or of the push (Muster) to
# its end, when every receiver is known to have the file. Muster's devices have
# connected before, as they have in the field, and run a command each to install
# the file, which does nothing; uftp's key exchange is part of
# its session; NORM has no keys at all. bytes: Ethernet bytes that the sender
# and all receivers put on the medium meanwhile. complete: receivers that hold
# the very file when the sender has ended; a session is failed when one does
# not, when the sender says so, or after --limit seconds. load: the machine's
# load average at the end of the run; seconds of a busy machine mean little.
#
# uftp encrypts with AES-128-GCM for a closed group, each client with a key of
# its own. NORM codes 64 + 32 packets by Reed-Solomon and sends parity when it
# is asked for; nothing is encrypted or authenticated.
set -u
muster=${MUSTER:?run this with ./run bench cast}
here=$(cd "$(dirname "$0")" && pwd)
size=16777216
receivers="1 8 32"
losses="0 5 10"
runs=3
rate=100000
payload=1300
programs="muster uftp norm"
limit=120
json=
while [ $# -gt 0 ]; do
    case $1 in
    --json) json=yes ;;
    --size) size=$2; shift ;;
    --receivers) receivers=$2; shift ;;
    --loss) losses=$2; shift ;;
    --runs) runs=$2; shift ;;
    --rate) rate=$2; shift ;;
    --payload) payload=$2; shift ;;
    --programs) programs=$2; shift ;;
    --limit) limit=$2; shift ;;
    *) sed -n 's/^#   //p; /^# One/q' "$0" | sed '1s/^/usage: /' >&2; exit 2 ;;
    esac
    shift
done
bench=cast
# shellcheck source=bench/common.sh
. "$here/common.sh"

# bounded COMMAND...: in the background, so that a signal to us ends it too.
bounded() { timeout -k 5 "$limit" "$@" & local pid=$!; pids+=($pid); wait $pid; }

# Bytes on the wire between two looks: the sender's, everybody else's.
traffic() { "$here/lab.sh" stat | awk '{ if ($1 == "p0") s = $2; else b += $2 } END { print s + 0, b + 0 }'; }

# row PROGRAM N LOSS RUN T0 T1 "S0 B0" "S1 B1" COMPLETE EXIT_CODE
row()
{
    rows+=("$(awk -v p="$1" -v n="$2" -v l="$3" -v r="$4" -v t0="$5" -v t1="$6" -v a="$7" -v b="$8" -v ok="$9" -v rc="${10}" -v size="$size" -v load="$(cut -d' ' -f1 /proc/loadavg)" 'BEGIN {
        split(a, x, " "); split(b, y, " ")
        printf "{\"program\":\"%s\",\"receivers\":%d,\"loss_percent\":%d,\"run\":%d,\"seconds\":%.3f,\"sent_bytes\":%d,\"back_bytes\":%d,\"medium_ratio\":%.4f,\"complete\":%d,\"failed\":%s,\"load\":%.1f}",
            p, n, l, r, t1 - t0, y[1] - x[1], y[2] - x[2], (y[1] - x[1] + y[2] - x[2]) / size, ok, ok == n && rc == 0 ? "false" : "true", load }')")
    [ "$json" ] || echo "${rows[-1]}" | tr -d '{}"' | tr ',' ' '
}

# arrived N PATTERN: how many receivers hold the file; %d is their number.
arrived()
{
    local ok=0 i path
    for i in $(seq "$1"); do
        # shellcheck disable=SC2059 # the pattern is ours
        path=$(printf "$2" "$i")
        [ "$({ sha256sum <"$path"; } 2>/dev/null)" != "$sum" ] || ok=$((ok + 1))
    done
    echo $ok
}

# ---- Muster -----------------------------------------------------------------

muster_up()
{
    local n=$1 loss=$2 i to
    rm -rf "$work/m" "$work/server" "$work/server.out"; mkdir -p "$work/m/gw"
    fleet "$work/m" "$n"
    serve "$work/m" --rate 125000000 --window-ms 10
    spawn "$work/m/gw.out" 0 "$muster" gateway --id gw --key-file "$work/m/gw.key" --server "$listen" \
        --listen 10.78.0.1:0 --state "$work/m/gw" --iface eth0 --area-group 239.77.85.1:5690 \
        --rate $((rate * 125)) --overhead 42 --window-ms ${WINDOW:-100} --loss-permille $((loss * 10)) --log warn
    to=$(await "$work/m/gw.out" listen) || exit 1
    for i in $(seq "$n"); do
        mkdir "$work/m/dev-$i"
        spawn "$work/m/dev-$i.out" "$i" "$muster" device --id "dev-$i" --key-file "$work/m/dev-$i.key" --gateway "$to" \
            --state "$work/m/dev-$i" --iface eth0 --page-memory-kib 512 --hook true --log warn
    done
    connected "$n"
}

muster_run()
{
    local n=$1 loss=$2 run=$3 t0 t1 a b rc
    a=$(traffic); t0=$(now)
    bounded ip netns exec "$LAB-0" "$muster" push "$work/file" --group fleet --acks now --deadline "${limit}s" \
        --payload "$payload" --page 288 --parity 72 --json --api "http://$http" --token-file "$work/server/token" \
        >"$work/report" 2>"$work/push.err"
    rc=$?
    t1=$(now); b=$(traffic)
    row muster "$n" "$loss" "$run" "$t0" "$t1" "$a" "$b" "$(arrived "$n" "$work/m/dev-%d/slot")" $rc
}

muster_runs()
{
    local run
    "$here/lab.sh" loss 0
    muster_up "$1" "$2"
    "$here/lab.sh" loss "$2"
    for run in $(seq "$runs"); do muster_run "$1" "$2" "$run"; done
    stop_all
}

# ---- uftp -------------------------------------------------------------------

uftp_keys()
{
    local i
    mkdir -p "$work/u"
    uftp_keymgt -g ec:prime256v1 "$work/u/server.pem" >/dev/null 2>&1
    : >"$work/u/hosts"
    for i in $(seq "$1"); do
        uftp_keymgt -g ec:prime256v1 "$work/u/$i.pem" >"$work/u/$i.key" 2>&1
        printf '0x%08X|%s\n' "$i" "$(uftp_keymgt "$work/u/$i.pem" 2>&1 | grep -oE '([0-9A-F]{2}:){19}[0-9A-F]{2}' | head -n 1)" >>"$work/u/hosts"
    done
}

uftp_run()
{
    local n=$1 loss=$2 run=$3 t0 t1 a b i rc
    for i in $(seq "$n"); do
        rm -rf "$work/u/in-$i"; mkdir "$work/u/in-$i"
        spawn "$work/u/$i.log" "$i" uftpd -d -q -I eth0 -U "$(printf '0x%08X' "$i")" -D "$work/u/in-$i" -B 4194304 -k "$work/u/$i.pem"
    done
    # uftpd says nothing when it listens: wait for its socket.
    for i in $(seq "$n"); do
        local tries=0
        until in_host "$i" ss -uln | grep -q ':1044' || [ $tries -ge 100 ]; do tries=$((tries + 1)); sleep 0.05; done
    done
    head -n "$n" "$work/u/hosts" >"$work/u/list"
    ulimit -S -n 4096 2>/dev/null
    a=$(traffic); t0=$(now)
    bounded ip netns exec "$LAB-0" uftp -I eth0 -R "$rate" -r 0.1:0.05:15 -b "$payload" -U 0xFF000001 -B 4194304 -Y aes128-gcm -h sha256 \
        -e ecdh_ecdsa:prime256v1 -c -k "$work/u/server.pem" -H "@$work/u/list" "$work/file" >"$work/u/log" 2>&1
    rc=$?
    t1=$(now); b=$(traffic)
    row uftp "$n" "$loss" "$run" "$t0" "$t1" "$a" "$b" "$(arrived "$n" "$work/u/in-%d/file")" $rc
    stop_all
}

uftp_runs() { local run; for run in $(seq "$runs"); do uftp_run "$1" "$2" "$run"; done; }

# ---- NORM -------------------------------------------------------------------

norm_run()
{
    local n=$1 loss=$2 run=$3 t0 t1 a b i rc
    for i in $(seq "$n"); do
        rm -rf "$work/n/in-$i"; mkdir -p "$work/n/in-$i"
        spawn "$work/n/$i.out" "$i" "$work/norm_peer" recv "$work/n/in-$i" 239.77.85.3 6003 eth0 $((99 + i))
    done
    for i in $(seq "$n"); do await "$work/n/$i.out" listen >/dev/null; done
    a=$(traffic); t0=$(now)
    bounded ip netns exec "$LAB-0" "$work/norm_peer" send "$work/file" 239.77.85.3 6003 eth0 "$n" "$rate" "$payload" 64 32 >"$work/n/log" 2>&1
    rc=$?
    t1=$(now); b=$(traffic)
    row norm "$n" "$loss" "$run" "$t0" "$t1" "$a" "$b" "$(arrived "$n" "$work/n/in-%d/file")" $rc
    stop_all
}

norm_runs() { local run; for run in $(seq "$runs"); do norm_run "$1" "$2" "$run"; done; }

# ---- all of them, in one run --------------------------------------------------

# The median of each case: of its rows, those of the middle.
cases()
{
    printf '%s\n' "${rows[@]}" | awk -F'[:,}]' '
        { k = $2 "," $4 "," $6; if (!(k in n)) order[++m] = k
          s[k, ++n[k]] = $10; r[k, n[k]] = $16; bad[k] += $20 == "true" }
        function median(v, k, i, j, t) {
            for (i = 2; i <= n[k]; i++)
                for (j = i; j > 1 && v[k, j] + 0 < v[k, j - 1] + 0; j--) { t = v[k, j]; v[k, j] = v[k, j - 1]; v[k, j - 1] = t }
            return n[k] % 2 ? v[k, (n[k] + 1) / 2] : (v[k, n[k] / 2] + v[k, n[k] / 2 + 1]) / 2
        }
        END { for (i = 1; i <= m; i++) { k = order[i]; split(k, x, ",")
            printf "%s{\"program\":%s,\"receivers\":%d,\"loss_percent\":%d,\"runs\":%d,\"failed\":%d,\"seconds\":%.3f,\"medium_ratio\":%.4f}",
                (i > 1 ? "," : ""), x[1], x[2], x[3], n[k], bad[k], median(s, k), median(r, k) } }'
}

head -c "$size" /dev/urandom >"$work/file"
sum=$(sha256sum <"$work/file")
most=$(printf '%s\n' $receivers | sort -n | tail -n 1)
case " $programs " in *" norm "*) g++ -O2 -o "$work/norm_peer" "$here/norm_peer.cpp" -lnorm || exit 1 ;; esac
case " $programs " in *" uftp "*) uftp_keys "$most" ;; esac
"$here/lab.sh" up "$most" $((rate + rate / 10))kbit || exit 1
for n in $receivers; do
    for loss in $losses; do
        "$here/lab.sh" loss "$loss"
        for program in $programs; do "${program}_runs" "$n" "$loss"; done
    done
done
[ -z "$json" ] || printf '{"size":%d,"rate_kbit":%d,"payload":%d,"rows":[%s],"cases":[%s]}\n' \
    "$size" "$rate" "$payload" "$(printf '%s\n' "${rows[@]}" | paste -sd,)" "$(cases)"
