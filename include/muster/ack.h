/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acknowledgements of many nodes in one message (CAST-6),
 * docs/wire-format.md s.7.1: a bitmap that names who is meant, and a string in
 * which their acknowledgements are added by XOR. The k-th member named has its
 * MU_ACK_LEN bytes from byte k * shift on:
 *
 *   shift 0          all on top of one another: 8 bytes, one false one spoils
 *                    the whole
 *   shift 2, 4       each overlaps with a few neighbours only, so a false one
 *                    spoils a bounded part of the string, wherever it was added
 *   shift 8          side by side: nobody spoils anybody
 *
 * Sets of neighbouring ranges join without being opened, which is what inner
 * nodes of a tree do: no keys, no verification, no more memory than the
 * message they send.
 */
#ifndef MUSTER_ACK_H
#define MUSTER_ACK_H

#include "muster/bytes.h"
#include "muster/limits.h"

#define MU_ACK_SHIFT 2 /* once somebody has spoiled a plain sum: see check.c */

struct mu_ack_set {
    uint16_t first;         /* index of the bitmap's first bit */
    uint8_t shift;
    struct mu_bytes named;  /* bitmap, the lowest bit of a byte first */
    struct mu_bytes string;
};

/* Whether a form of this shift exists. */
bool mu_ack_shift_known(uint8_t shift);
/* Bytes of the string of so many members; 0 for none. */
size_t mu_ack_string_len(uint8_t shift, size_t members);
/* How many members a string of at most `len` bytes has room for. */
size_t mu_ack_members_max(uint8_t shift, size_t len);
size_t mu_ack_members(struct mu_bytes named);
bool mu_ack_names(const struct mu_ack_set *s, uint32_t index);

/* As bytes, for nodes of a tree: first (2), shift (1), bytes of the bitmap
 * (2), bitmap, string. Consume gives views into the input and refuses a shift
 * that does not exist, indexes beyond an area and a string of another length
 * than the members named make. */
MU_MUST int mu_ack_set_write(const struct mu_ack_set *s, struct mu_writer *w);
MU_MUST int mu_ack_set_consume(struct mu_bytes in, struct mu_ack_set *s);
/* The same check of one that came otherwise. */
MU_MUST int mu_ack_set_valid(const struct mu_ack_set *s);

/* ---- adding up ----------------------------------------------------------- */

/* The memory is the caller's, as large as the largest set it wants to make. */
struct mu_ack_sum {
    uint16_t first;
    uint8_t shift;
    uint16_t members;
    uint32_t next; /* lowest index that may still come */
    uint8_t *named;
    size_t named_cap;
    uint8_t *string;
    size_t string_cap;
};

void mu_ack_sum_init(struct mu_ack_sum *sum, uint16_t first, uint8_t shift,
                     uint8_t *named, size_t named_cap, uint8_t *string,
                     size_t string_cap);
/* In ascending order. MU_ERR_UNEXPECTED for an index out of order,
 * MU_ERR_NO_SPACE when the memory is at its end; nothing is added then. */
MU_MUST int mu_ack_sum_add(struct mu_ack_sum *sum, uint16_t index,
                           const uint8_t ack[MU_ACK_LEN]);
/* All of a valid set of the same shift, unopened. */
MU_MUST int mu_ack_sum_join(struct mu_ack_sum *sum,
                            const struct mu_ack_set *part);
/* What there is; views into the sum's memory. */
struct mu_ack_set mu_ack_sum_set(const struct mu_ack_sum *sum);

/* ---- checking ------------------------------------------------------------ */

/* The acknowledgement that this member must have given. Any error but
 * MU_ERR_NOT_FOUND (nobody of that index belongs there) ends the check. */
struct mu_ack_expect {
    void *context;
    int (*ack)(void *context, uint16_t index, uint8_t ack[MU_ACK_LEN]);
};

/*
 * Takes every expected acknowledgement off the string; what is left of it is
 * zero where nobody was false. A member is proved when all of its bytes are:
 * 2^-64 a try, as for tags of feedback. `rest` is work memory of string.len
 * bytes; `left` takes the members that are not proved, a bitmap like `named`.
 * Returns how many these are, or an error.
 */
MU_MUST int mu_ack_check(const struct mu_ack_set *s,
                         const struct mu_ack_expect *expect, uint8_t *rest,
                         uint8_t *left);

#endif
