# SPDX-License-Identifier: Apache-2.0
# The rules of tools/tidy that look at one C file at a time. Variables given:
#   area   "core", "body" (length rules too) or "rest"
#   base   1 inside src/base, where the C library's memory calls live
# Prints FILE:LINE: what is wrong. Plain awk: mawk and gawk agree on it.

function say(text)
{
    printf "%s:%d: %s\n", FILENAME, FNR, text
}

# The line without comments, and with the inside of strings taken out.
function code_of(line,    out, at, two, quote)
{
    out = ""
    quote = ""
    for (at = 1; at <= length(line); at++) {
        two = substr(line, at, 2)
        if (in_comment) {
            if (two == "*/") { in_comment = 0; at++ }
        } else if (quote != "") {
            if (substr(two, 1, 1) == "\\") at++
            else if (substr(two, 1, 1) == quote) { quote = ""; out = out "\"" }
        } else if (two == "/*") {
            in_comment = 1; at++
        } else if (two == "//") {
            break
        } else if (two ~ /^["']/) {
            quote = substr(two, 1, 1); out = out "\""
        } else {
            out = out substr(two, 1, 1)
        }
    }
    return out
}

# Calls NAME( that are not members of something (c->free).
function calls(code, names)
{
    return code ~ ("(^|[^A-Za-z0-9_.>])(" names ")[ ]*\\(")
}

function check_core(code)
{
    if (guard != "") {
        if (code !~ ("^#define " guard "$"))
            say("#if in the core (guard without its #define)")
        guard = ""
    } else if (code ~ /^[ \t]*#[ \t]*(if|ifdef|elif|else)([^a-z]|$)/) {
        say("#if in the core")
    } else if (code ~ /^[ \t]*#[ \t]*ifndef/) {
        if (code ~ /^#ifndef [A-Z0-9_]+_H$/ && FILENAME ~ /\.h$/ && !guarded) {
            guard = substr(code, 9)
            guarded = 1
        } else {
            say("#if in the core")
        }
    }
    if ($0 ~ /^#include </ &&
        $0 !~ /<(float|iso646|limits|stdalign|stdarg|stdbool|stddef|stdint|stdnoreturn|string)\.h>/)
        say("header that is not freestanding, in the core")
    if (calls(code, heap "|" stdio "|" hosted))
        say("call the core must not make")
    if (calls(code, "assert"))
        say("assert in the core: use mu_assert")
    if (!base && calls(code, memory))
        say("memory call outside src/base: use mu_copy, mu_zero, mu_bytes_eq")
    if (code ~ /^[ \t]*static / && code !~ /[^A-Za-z0-9_]const[^A-Za-z0-9_]/ &&
        code ~ /[=;\[]/ && code !~ /^[^=;\[]*\(/)
        say("mutable static in the core")
}

BEGIN {
    heap = "malloc|calloc|realloc|free|alloca|strdup|aligned_alloc"
    stdio = "f?printf|v?s?n?printf|sprintf|snprintf|puts|fputs|fopen|fwrite|fread|perror|sscanf"
    hosted = "time|clock|clock_gettime|rand|random|abort|exit|getenv|qsort|setjmp|longjmp"
    memory = "memcpy|memmove|memset|memcmp|strcpy|strncpy|strcat|strcmp|strncmp"
}

FNR == 1 && $0 !~ /SPDX-License-Identifier: Apache-2\.0/ {
    say("first line is not the SPDX line")
}

length($0) > 100 {
    say("line of " length($0) " characters; 100 is the limit")
}

/[ \t]+$/ {
    say("white space at the end of the line")
}

/\t/ {
    say("tab")
}

{
    code = code_of($0)
}

area == "core" {
    check_core(code)
}

# A function starts and ends with a brace in the first column.
area != "rest" && code ~ /^\{/ {
    opened = FNR
}

area != "rest" && code ~ /^\}/ {
    if (opened && FNR - opened + 1 > 70)
        say("function of " (FNR - opened + 1) " lines; 70 is the limit")
    opened = 0
}

END {
    if (area != "rest" && FNR >= 1000)
        say("file of " FNR " lines; 999 is the limit")
}
