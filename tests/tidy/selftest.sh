#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Plants one violation of each rule in a small tree of its own, and wants
# tools/tidy to name it; and wants the tree without it to pass.
set -eu
top=$(pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
spdx='/* SPDX-License-Identifier: Apache-2.0 */'
failed=0
planted=0

fresh()
{
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/src/base" "$tree/src/wire" "$tree/src/node" \
        "$tree/src/cast" "$tree/src/enrol" "$tree/include/muster" \
        "$tree/net" "$tree/store" "$tree/docs"
    cp "$top/src/layers.txt" "$tree/src/"
    printf 'base/good.c\nwire/bad.c\nnode/bad.c\ncast/bad.c\n' \
        >"$tree/src/core.txt"
    cat >"$tree/include/muster/bytes.h" <<EOF
$spdx
#ifndef MUSTER_BYTES_H
#define MUSTER_BYTES_H
#include <stddef.h>
#endif
EOF
    cat >"$tree/src/base/good.c" <<EOF
$spdx
/* memcpy(a, b), malloc(1), #if 0: words in a comment are no calls. */
#include "muster/bytes.h"
#include <string.h>
static const char *const text = "printf(1)";
static struct very_long_name *
good(const struct port *p, char *to)
{
    memset(to, 0, 1);
    p->free(text);
}
EOF
    printf '%s\n' "$spdx" >"$tree/net/socket.h"
}

# Runs tidy; the planted fault must be named: FILE, then WORDS.
expect()
{
    planted=$((planted + 1))
    if out=$("$top/tools/tidy" "$tree"); then
        echo "not found: $1: $2"
        failed=1
    elif ! printf '%s\n' "$out" | grep -q "^$1:[0-9]*: .*$2"; then
        echo "found something else than $1: $2"
        printf '%s\n' "$out"
        failed=1
    fi
    fresh
}

# plant FILE TEXT WORDS: a file with a good first line and then the fault.
plant()
{
    printf '%s\n%s\n' "$spdx" "$2" >"$tree/$1"
    expect "$1" "$3"
}

# `count` lines, each the same.
lines()
{
    awk -v count="$1" -v line="$2" \
        'BEGIN { while (count-- > 0) print line }'
}

fresh
"$top/tools/tidy" "$tree" || { echo "a clean tree does not pass"; failed=1; }

printf 'int x;\n' >"$tree/net/a.c"
expect net/a.c 'SPDX'
printf '#!/bin/sh\n' >"$tree/net/a.sh"
expect net/a.sh 'SPDX'
plant net/a.c "/* $(lines 100 y | tr -d '\n') */" '100 is the limit'
plant net/a.c "int x; " 'white space'
plant net/a.c "$(printf '\tint x;')" 'tab'
plant src/wire/bad.c '#if 1' '#if in the core'
plant src/wire/bad.c '#ifdef X' '#if in the core'
plant src/wire/bad.c '#ifndef X_H' '#if in the core'
plant src/wire/bad.c '#else' '#if in the core'
plant src/wire/bad.c '#include <stdio.h>' 'not freestanding'
plant src/wire/bad.c '#include <sys/socket.h>' 'not freestanding'
plant src/wire/bad.c '    p = malloc(3);' 'must not make'
plant src/wire/bad.c '    free (p);' 'must not make'
plant src/wire/bad.c '    printf("x");' 'must not make'
plant src/wire/bad.c '    now = time(NULL);' 'must not make'
plant src/wire/bad.c '    assert(x);' 'mu_assert'
plant src/wire/bad.c '    memcpy(a, b, 3);' 'memory call'
plant src/wire/bad.c '    if (memcmp(a, b, 3))' 'memory call'
plant src/wire/bad.c 'static int count;' 'mutable static'
plant src/wire/bad.c '    static unsigned seen[3] = {0};' 'mutable static'
plant src/wire/bad.c '#include "net/socket.h"' 'upwards'
plant src/wire/bad.c '#include "muster/node.h"' 'upwards'
plant src/wire/bad.c '#include "node/server.h"' 'upwards'
plant src/cast/bad.c '#include "enrol/connect.h"' 'sideways'
plant src/node/bad.c '#include "store/store.h"' 'upwards'
plant net/a.c '#include "sim/world.h"' 'sideways'
plant store/a.c '#include "cli/verb.h"' 'upwards'
plant net/a.c '#include "nowhere/x.h"' 'no layer'
plant net/a.c '#include "muster/nowhere.h"' 'no layer'
plant include/muster/nowhere.h '#include "muster/bytes.h"' 'no layer'
plant include/muster/bytes.h '#include "muster/cast.h"' 'upwards'
plant src/wire/unlisted.c 'int x(void);' 'core.txt'
plant net/a.c "$(printf 'int a(void)\n{\n'; lines 69 ';'; echo '}')" \
    'function of 71 lines'
plant net/a.c "$(lines 999 ';')" 'file of 1000 lines'
plant docs/a.md "so TO""DO it" 'leftover'
plant net/a.c "/* XX""X: think */" 'leftover'
plant docs/a.md "see /ro""ot/notes" 'path of a machine'

# Symbols: what a library leaves open, and what it can change.
cc=${CC:-cc}
library()
{
    planted=$((planted + 1))
    printf '%s\n' "$1" >"$tree/sym.c"
    "$cc" -w -c -o "$tree/sym.o" "$tree/sym.c"
    rm -f "$tree/sym.a" "$tree/sym.c"
    ar rcs "$tree/sym.a" "$tree/sym.o"
    out=$("$top/tools/tidy" "$tree" "$tree/sym.a") && rc=0 || rc=$?
    if [ "$2" ] && ! printf '%s\n' "$out" | grep -q "sym.a: $2"; then
        echo "not found in a library: $2"
        failed=1
    elif [ ! "$2" ] && [ $rc != 0 ]; then
        echo "a good library does not pass: $out"
        failed=1
    fi
}
library 'int puts(const char *); int f(void) { return puts("x"); }' \
    'undefined symbol puts'
library 'int hits; int f(void) { return ++hits; }' 'mutable global hits'
library 'int f(void) { static int n = 3; return ++n; }' 'mutable global n'
library 'void *memcpy(); void mu_assert_failed(); const char *const t[] = {"x"};
    void f(char *a) { memcpy(a, t[0], 1); mu_assert_failed(); }' ''

[ $failed = 0 ] && echo "tidy finds $planted planted faults"
exit $failed
