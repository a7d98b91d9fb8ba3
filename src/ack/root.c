/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of the tree: verifies what comes, and hunts whoever spoils it. Each
 * opening splits one spoiled sum into those of the branches, so that a single
 * liar costs as many openings as it is deep, however many nodes there are.
 */
#include "muster/ack_tree.h"

#include "ack/set.h"

void mu_ack_root_init(struct mu_ack_root *r)
{
    mu_zero(r->proved, (r->nodes + 7u) / 8u);
    r->suspects_len = 0;
    r->found_len = 0;
    r->checked = 0;
}

bool mu_ack_root_proved(const struct mu_ack_root *r, uint16_t index)
{
    return index < r->nodes && ack_bit(r->proved, index);
}

static int root_push(struct mu_ack_link *list, size_t *len, size_t cap,
                     struct mu_ack_link link)
{
    for (size_t i = 0; i < *len; i++) {
        if (list[i].above == link.above && list[i].below == link.below)
            return 0;
    }
    if (*len == cap)
        return MU_ERR_FULL;
    list[(*len)++] = link;
    return 0;
}

static int root_find(struct mu_ack_root *r, struct mu_ack_link link)
{
    return root_push(r->found, &r->found_len, r->found_cap, link);
}

/* Well formed, of its own range, and not too long to be checked. */
static int root_read(const struct mu_ack_root *r, const struct mu_ack_link *l,
                     struct mu_bytes message, struct mu_ack_set *s)
{
    int rc = mu_ack_set_consume(message, s);

    if (rc != 0)
        return rc;
    if (s->first < l->below || s->string.len > r->rest_len)
        return MU_ERR_FORBIDDEN;
    for (size_t i = 0; i < s->named.len * 8; i++) {
        if (ack_bit(s->named.data, i) && s->first + i >= l->end)
            return MU_ERR_FORBIDDEN;
    }
    /* Zeros at the end of the bitmap, longer than `left` has room for. */
    return s->named.len <= (r->nodes + 7u) / 8u ? 0 : MU_ERR_TOO_LARGE;
}

/* How many of a set are not proved, the others being noted; or an error. */
static int root_check(struct mu_ack_root *r, const struct mu_ack_set *s)
{
    int count = mu_ack_check(s, r->expect, r->rest, r->left);

    if (count < 0)
        return count;
    for (size_t i = 0; i < s->named.len * 8; i++) {
        if (!ack_bit(s->named.data, i))
            continue;
        r->checked++;
        if (!ack_bit(r->left, i))
            ack_bit_set(r->proved, s->first + i);
    }
    return count;
}

/* Takes what is right of it; what is not is to be opened, unless it is the
 * word of one node that said it itself. */
static int root_weigh(struct mu_ack_root *r, const struct mu_ack_link *l,
                      struct mu_bytes message, bool *good)
{
    struct mu_ack_set s;
    int count = 1;

    if (root_read(r, l, message, &s) == 0)
        count = root_check(r, &s);
    *good = count == 0;
    if (count <= 0)
        return count;
    if (l->above == l->below && l->end - l->below == 1)
        return root_find(r, *l);
    return root_push(r->suspects, &r->suspects_len, r->suspects_cap, *l);
}

int mu_ack_root_take(struct mu_ack_root *r, uint16_t above, uint16_t index,
                     uint16_t end, struct mu_bytes message)
{
    struct mu_ack_link l = {.above = above, .below = index, .end = end};
    bool good;

    if (index >= end || end > r->nodes)
        return MU_ERR_USAGE;
    return root_weigh(r, &l, message, &good);
}

bool mu_ack_root_next(struct mu_ack_root *r, struct mu_ack_link *suspect)
{
    if (r->suspects_len == 0)
        return false;
    *suspect = r->suspects[--r->suspects_len];
    return true;
}

/* Its own acknowledgement; *good when it is there and right. One that is not
 * there is nobody's lie. */
static int root_own(struct mu_ack_root *r, uint16_t index,
                    struct mu_reader *in, bool *good)
{
    uint8_t ack[MU_ACK_LEN], want[MU_ACK_LEN];
    int rc;

    *good = true;
    if (mu_read_u8(in) == 0)
        return 0;
    mu_read_copy(in, ack, sizeof ack);
    rc = r->expect->ack(r->expect->context, index, want);
    if (rc != 0 && rc != MU_ERR_NOT_FOUND)
        return rc;
    r->checked++;
    *good = rc == 0 && !in->failed && mu_ct_eq(ack, want, sizeof ack);
    if (*good)
        ack_bit_set(r->proved, index);
    return 0;
}

int mu_ack_root_opened(struct mu_ack_root *r, const struct mu_ack_link *suspect,
                       struct mu_bytes answer,
                       uint16_t (*end)(void *tree, uint16_t index), void *tree)
{
    struct mu_reader in = mu_reader(answer);
    uint16_t next = (uint16_t)(suspect->below + 1);
    bool all_good, good;
    int rc;

    if (answer.len == 0)
        return root_find(r, *suspect);
    rc = root_own(r, suspect->below, &in, &all_good);
    if (rc == 0 && !all_good) /* by its own, authenticated word */
        rc = root_find(r, (struct mu_ack_link){suspect->below, suspect->below,
                                               suspect->end});
    while (rc == 0 && !in.failed && mu_reader_left(&in) > 0) {
        struct mu_ack_link part = {suspect->below, mu_read_u16(&in), 0};
        struct mu_bytes message = mu_read_bytes(&in, mu_read_u16(&in));

        if (!in.failed && part.below >= next && part.below < suspect->end)
            part.end = end(tree, part.below);
        if (part.end <= part.below || part.end > suspect->end) {
            mu_reader_fail(&in); /* no branch of its own */
            break;
        }
        next = part.end;
        rc = root_weigh(r, &part, message, &good);
        all_good = all_good && good;
    }
    if (rc != 0)
        return rc;
    /* All parts right and the sum of them false: its own work, or that of the
     * one who handed it on. The same for an answer that makes no sense. */
    return all_good || in.failed ? root_find(r, *suspect) : 0;
}
