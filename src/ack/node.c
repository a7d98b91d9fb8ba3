/* SPDX-License-Identifier: Apache-2.0 */
/* A node of the tree: adds up, confines, keeps, opens. */
#include "muster/ack_tree.h"

void mu_ack_node_init(struct mu_ack_node *n, uint16_t index, uint16_t end,
                      uint8_t shift, struct mu_ack_branch *branches,
                      size_t branches_len)
{
    *n = (struct mu_ack_node){
        .index = index,
        .end = end,
        .shift = shift,
        .branches = branches,
        .branches_len = branches_len,
    };
    for (size_t i = 0; i < branches_len; i++)
        branches[i].len = 0;
}

void mu_ack_node_own(struct mu_ack_node *n, const uint8_t ack[MU_ACK_LEN])
{
    n->acked = true;
    mu_copy(n->ack, ack, MU_ACK_LEN);
}

/* Within its own range: a branch cannot reach into another's place. */
static bool node_confined(const struct mu_ack_set *s,
                          const struct mu_ack_branch *b)
{
    for (size_t i = 0; i < s->named.len * 8; i++) {
        if (s->first + i >= b->end && mu_ack_names(s, (uint32_t)(s->first + i)))
            return false;
    }
    return s->first >= b->index;
}

int mu_ack_node_hear(struct mu_ack_node *n, uint16_t index,
                     struct mu_bytes message)
{
    struct mu_ack_branch *b = NULL;
    struct mu_ack_set s;
    int rc = mu_ack_set_consume(message, &s);

    for (size_t i = 0; i < n->branches_len && b == NULL; i++) {
        if (n->branches[i].index == index)
            b = &n->branches[i];
    }
    if (b == NULL)
        return MU_ERR_UNKNOWN_PEER;
    if (rc != 0)
        return rc;
    if (s.shift != n->shift)
        return MU_ERR_UNSUPPORTED;
    if (!node_confined(&s, b))
        return MU_ERR_FORBIDDEN;
    if (message.len > b->cap)
        return MU_ERR_TOO_LARGE;
    mu_copy(b->data, message.data, message.len);
    b->len = message.len;
    return 0;
}

static int node_join(const struct mu_ack_node *n, struct mu_ack_sum *sum)
{
    for (size_t i = 0; i < n->branches_len; i++) {
        const struct mu_ack_branch *b = &n->branches[i];
        struct mu_ack_set part;
        int rc;

        if (b->len == 0)
            continue;
        rc = mu_ack_set_consume(mu_bytes(b->data, b->len), &part);
        if (rc == 0)
            rc = mu_ack_sum_join(sum, &part);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int mu_ack_node_write(const struct mu_ack_node *n, uint8_t *memory,
                      size_t memory_len, struct mu_writer *w)
{
    size_t named = (size_t)(n->end - n->index + 7) / 8;
    struct mu_ack_sum sum;
    struct mu_ack_set all;
    int rc = 0;

    if (memory_len < named)
        return MU_ERR_NO_SPACE;
    mu_ack_sum_init(&sum, n->index, n->shift, memory, named, memory + named,
                    memory_len - named);
    if (n->acked)
        rc = mu_ack_sum_add(&sum, n->index, n->ack);
    if (rc == 0)
        rc = node_join(n, &sum);
    if (rc != 0)
        return rc;
    all = mu_ack_sum_set(&sum);
    return mu_ack_set_write(&all, w);
}

int mu_ack_node_open(const struct mu_ack_node *n, struct mu_writer *w)
{
    mu_write_u8(w, n->acked);
    if (n->acked)
        mu_write_bytes(w, MU_BYTES(n->ack));
    for (size_t i = 0; i < n->branches_len; i++) {
        const struct mu_ack_branch *b = &n->branches[i];

        if (b->len == 0)
            continue;
        mu_write_u16(w, b->index);
        mu_write_u16(w, (uint16_t)b->len);
        mu_write_bytes(w, mu_bytes(b->data, b->len));
    }
    return mu_writer_end(w);
}
