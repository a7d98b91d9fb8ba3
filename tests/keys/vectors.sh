#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Computes tests/vectors/keys.txt with the openssl command alone, from the text
# of docs/wire-format.md s.1, s.3, s.6 and s.7. It shares no code with Muster.
#   tests/keys/vectors.sh >tests/vectors/keys.txt
set -eu

hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
lower() { tr -d ':\n' | tr A-F a-f; }
# kdf KEY LABEL CONTEXT(hex) BYTES
kdf() {
    openssl kdf -keylen "$4" -kdfopt digest:SHA256 -kdfopt mode:EXPAND_ONLY \
        -kdfopt hexkey:"$1" -kdfopt \
        hexinfo:"$(hex muster1)00$(hex "$2")00$3" HKDF | lower
}
# extract SALT(hex) KEY(hex)
extract() {
    openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt mode:EXTRACT_ONLY \
        -kdfopt hexsalt:"$1" -kdfopt hexkey:"$2" HKDF | lower
}
# hmac KEY(hex) DATA(hex) BYTES
hmac() {
    # shellcheck disable=SC2059
    printf "$(printf '%s' "$2" | sed 's/../\\x&/g')" |
        openssl mac -digest SHA256 -macopt hexkey:"$1" HMAC |
        lower | cut -c "1-$((2 * $3))"
}
say() { printf '%s = %s\n' "$1" "$2"; }

kmr=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
short=c0c1c2c3c4c5c6c7c8c9cacbcccdcecf
nd=202122232425262728292a2b2c2d2e2f
ns=303132333435363738393a3b3c3d3e3f
kb=404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f
kg=606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f
kid=060000000100000002a0000003
campaign=a0a1a2a3a4a5a6a7
node=meter-17
gateway=gw-north
digest=$(printf '' | openssl dgst -sha256 -r | cut -c 1-64)

echo '# Keys of docs/wire-format.md s.1, computed by tests/keys/vectors.sh with'
echo '# the openssl command. Values are hex; identities stand as text.'
say kmr $kmr
say provisioned $short
say kmr_from_provisioned "$(extract "$(hex 'muster Kmr')" $short)"
say nd $nd
say ns $ns
say kauth "$(kdf $kmr connect '' 32)"
say kreply "$(kdf $kmr 'connect reply' $nd 16)"
kmc=$(extract "$nd$ns" "$(kdf $kmr Kmc '' 32)")
say kmc "$kmc"
say ka "$(kdf "$kmc" Ka '' 16)"
say kma_lamps "$(kdf "$kmc" Kma "$(hex lamps)" 32)"
kack=$(kdf $kmr ack '' 32)
say kack "$kack"
khop=$(kdf $kmr hop "$(hex $gateway)" 32)
say khop_gw_north "$khop"
say kfb "$(kdf "$khop" feedback '' 16)"
say kb $kb
say kek "$(kdf $kb kek '' 16)"
say kann "$(kdf $kb announce '' 16)"
say kg $kg
kctl=$(kdf $kg control '' 16)
say kctl "$kctl"
say kg_kid $kid
say kb_wrap "$(kdf $kg 'kb wrap' $kid 16)"
say relay "$(kdf $kg relay '' 32)"
poll=420300040501060064a0
say poll_packet $poll
say poll_tag "$(hmac "$kctl" $poll 8)"
say campaign $campaign
say digest "$digest"
say ack_meter_17_running "$(hmac "$kack" \
    "$(hex 'muster ack')${campaign}08$(hex $node)0f00$digest" 16)"
say ack_meter_17_failed "$(hmac "$kack" \
    "$(hex 'muster ack')${campaign}08$(hex $node)810f$digest" 16)"
