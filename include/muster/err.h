/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. One table gives code, name, class and the CoAP code that tells a
 * peer. Functions that can fail return 0 or a negative enum mu_err; functions
 * that cannot fail return void; predicates return bool.
 *
 * Classes say what to do:
 *   DROP   the peer's fault: forget this input, keep going
 *   RETRY  nothing is wrong for good: try again later
 *   FATAL  this engine or object is finished, its state is suspect
 *   USAGE  the caller's bug or the operator's wrong wish
 */
#ifndef MUSTER_ERR_H
#define MUSTER_ERR_H

#define MU_MUST __attribute__((warn_unused_result))

/*      name          code  class  CoAP   text */
#define MU_ERR_TABLE(X)                                                        \
    X(TRUNCATED,      -1,   DROP,  0x80,  "message ends too early")            \
    X(MALFORMED,      -2,   DROP,  0x80,  "message is not well formed")        \
    X(TOO_LARGE,      -3,   DROP,  0x8d,  "larger than the limit")             \
    X(AUTH,           -4,   DROP,  0x81,  "authentication failed")             \
    X(REPLAY,         -5,   DROP,  0x81,  "seen before, or too old")           \
    X(UNKNOWN_KEY,    -6,   DROP,  0x81,  "key id is not known")               \
    X(UNKNOWN_PEER,   -7,   DROP,  0x84,  "identity is not known")             \
    X(UNEXPECTED,     -8,   DROP,  0x80,  "not expected in this state")        \
    X(UNSUPPORTED,    -9,   DROP,  0x82,  "algorithm or version not supported")\
    X(FORBIDDEN,      -10,  DROP,  0x83,  "not allowed for this identity")     \
    X(ROLLBACK,       -11,  DROP,  0x83,  "version or epoch goes backwards")   \
    X(EXPIRED,        -12,  DROP,  0x83,  "validity has ended")                \
    X(NOT_FOUND,      -13,  DROP,  0x84,  "not found")                         \
    X(CONFLICT,       -14,  DROP,  0x89,  "conflicts with what is there")      \
    X(DIGEST,         -15,  DROP,  0x80,  "content does not match its digest") \
    X(HOOK,           -16,  DROP,  0x80,  "the hook command failed")          \
    X(BUSY,           -20,  RETRY, 0xa3,  "busy, try again")                   \
    X(FULL,           -21,  RETRY, 0xa3,  "no room left")                      \
    X(TIMEOUT,        -22,  RETRY, 0xa4,  "no answer in time")                 \
    X(IO,             -23,  RETRY, 0xa0,  "input or output failed")            \
    X(CORRUPT,        -30,  FATAL, 0xa0,  "stored state is damaged")           \
    X(CRYPTO,         -31,  FATAL, 0xa0,  "crypto back end failed")            \
    X(EXHAUSTED,      -32,  FATAL, 0xa0,  "counter space is used up")          \
    X(USAGE,          -40,  USAGE, 0x80,  "wrong argument")                    \
    X(NO_SPACE,       -41,  USAGE, 0xa0,  "buffer is too small")

enum mu_err {
    MU_OK = 0,
#define X(name, code, class, coap, text) MU_ERR_##name = (code),
    MU_ERR_TABLE(X)
#undef X
};

enum mu_err_class {
    MU_CLASS_NONE,
    MU_CLASS_DROP,
    MU_CLASS_RETRY,
    MU_CLASS_FATAL,
    MU_CLASS_USAGE,
};

/* Short name ("AUTH"), human text; "UNKNOWN" and "unknown error" for a code
 * that is not in the table, "OK" and "no error" for 0. */
const char *mu_err_name(int err);
const char *mu_err_text(int err);
enum mu_err_class mu_err_class(int err);

/* The CoAP response code (RFC 7252 s.12.1.2, as class<<5|detail) that tells
 * the peer; 0x44 (2.04) for 0, 0xa0 (5.00) for a code not in the table. */
unsigned mu_err_coap(int err);

#endif
