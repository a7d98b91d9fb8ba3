/* SPDX-License-Identifier: Apache-2.0 */
/* The MSKs that a device holds: at most two a key group, the older leaves. */
#include "mikey/mbms.h"

#include "muster/assert.h"

static bool in_group(const struct mu_mbms_msk *k, const uint8_t *domain,
                     uint16_t group)
{
    return k->group == group &&
           mu_bytes_eq(mu_bytes(k->domain, MU_MBMS_DOMAIN_LEN),
                       mu_bytes(domain, MU_MBMS_DOMAIN_LEN));
}

const struct mu_mbms_msk *
mu_mbms_device_find(const struct mu_mbms_device *d,
                    const uint8_t domain[MU_MBMS_DOMAIN_LEN], uint16_t group,
                    uint16_t number)
{
    for (size_t i = 0; i < d->msks_len; i++) {
        if (in_group(&d->msks[i], domain, group) &&
            d->msks[i].number == number)
            return &d->msks[i];
    }
    return NULL;
}

struct mu_mbms_msk *mu_mbms_device_slot(struct mu_mbms_device *d,
                                        const struct mu_mbms_ids *ids)
{
    const struct mu_mbms_msk *k =
        mu_mbms_device_find(d, ids->domain, ids->group, ids->number);

    return k == NULL ? NULL : &d->msks[k - d->msks];
}

static void device_remove(struct mu_mbms_device *d, size_t at)
{
    mu_assert(at < d->msks_len);
    for (size_t i = at; i + 1 < d->msks_len; i++)
        d->msks[i] = d->msks[i + 1];
    d->msks_len--;
    mu_wipe(&d->msks[d->msks_len], sizeof d->msks[0]);
}

void mu_mbms_device_drop(struct mu_mbms_device *d,
                         const struct mu_mbms_ids *ids)
{
    const struct mu_mbms_msk *k = mu_mbms_device_slot(d, ids);

    if (k != NULL)
        device_remove(d, (size_t)(k - d->msks));
}

/* The window may move; MTKs and counters that were taken stay taken. */
static int device_again(struct mu_mbms_msk *have,
                        const struct mu_mbms_msk *msk)
{
    if (!mu_secret_eq(&have->key, &msk->key))
        return MU_ERR_CONFLICT;
    if (msk->seq_high < have->seq_high)
        return MU_ERR_ROLLBACK;
    have->seq_low = msk->seq_low;
    have->seq_high = msk->seq_high;
    have->csb = msk->csb;
    mu_copy(have->rand, msk->rand, sizeof have->rand);
    if (have->next < msk->seq_low)
        have->next = msk->seq_low;
    return 0;
}

int mu_mbms_device_put(struct mu_mbms_device *d, const struct mu_mbms_msk *msk)
{
    const struct mu_mbms_ids ids = {
        .domain = {msk->domain[0], msk->domain[1], msk->domain[2]},
        .group = msk->group,
        .number = msk->number};
    struct mu_mbms_msk *have = mu_mbms_device_slot(d, &ids);
    size_t oldest = d->msks_len;
    size_t n = 0;

    if (have != NULL)
        return device_again(have, msk);
    for (size_t i = d->msks_len; i-- > 0;) {
        if (in_group(&d->msks[i], msk->domain, msk->group)) {
            oldest = i;
            n++;
        }
    }
    if (n >= MU_MBMS_PER_GROUP)
        device_remove(d, oldest);
    else if (d->msks_len == MU_MBMS_MSKS_MAX)
        return MU_ERR_FULL;
    d->msks[d->msks_len++] = *msk;
    return 0;
}

void mu_mbms_device_clear(struct mu_mbms_device *d)
{
    mu_wipe(d, sizeof(*d));
}

#define SAVED_VERSION 1

int mu_mbms_device_save(const struct mu_mbms_device *d, struct mu_writer *w)
{
    mu_write_u8(w, SAVED_VERSION);
    mu_write_u32(w, d->muk.counter);
    mu_write_u8(w, (uint8_t)d->msks_len);
    for (size_t i = 0; i < d->msks_len; i++) {
        const struct mu_mbms_msk *k = &d->msks[i];
        mu_write_bytes(w, MU_BYTES(k->domain));
        mu_write_u16(w, k->group);
        mu_write_u16(w, k->number);
        mu_write_bytes(w, mu_secret_view(&k->key));
        mu_write_u16(w, k->seq_low);
        mu_write_u16(w, k->seq_high);
        mu_write_u32(w, k->csb);
        mu_write_bytes(w, MU_BYTES(k->rand));
        mu_write_u32(w, k->counter);
        mu_write_u32(w, k->next);
    }
    return mu_writer_end(w);
}

static bool load_one(struct mu_reader *r, struct mu_mbms_msk *k)
{
    struct mu_bytes key;

    mu_read_copy(r, k->domain, sizeof k->domain);
    k->group = mu_read_u16(r);
    k->number = mu_read_u16(r);
    key = mu_read_bytes(r, MU_MBMS_KEY_LEN);
    k->seq_low = mu_read_u16(r);
    k->seq_high = mu_read_u16(r);
    k->csb = mu_read_u32(r);
    mu_read_copy(r, k->rand, sizeof k->rand);
    k->counter = mu_read_u32(r);
    k->next = mu_read_u32(r);
    return !r->failed && mu_secret_set(&k->key, key) == 0 && k->number != 0 &&
           k->seq_low <= k->seq_high && k->next >= k->seq_low &&
           k->next <= (uint32_t)k->seq_high + 1;
}

int mu_mbms_device_load(struct mu_mbms_device *d, struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);
    const uint8_t version = mu_read_u8(&r);
    const uint32_t counter = mu_read_u32(&r);
    const size_t len = mu_read_u8(&r);
    bool good = version == SAVED_VERSION && len <= MU_MBMS_MSKS_MAX;

    d->msks_len = 0;
    for (size_t i = 0; i < len && good; i++) {
        struct mu_mbms_msk k = {.number = 0};
        good = load_one(&r, &k) &&
               mu_mbms_device_find(d, k.domain, k.group, k.number) == NULL &&
               mu_mbms_device_put(d, &k) == 0 && d->msks_len == i + 1;
        mu_wipe(&k, sizeof k);
    }
    if (!good || mu_reader_end(&r) != 0) {
        mu_wipe(d->msks, sizeof d->msks);
        d->msks_len = 0;
        return MU_ERR_CORRUPT;
    }
    d->muk.counter = counter;
    return 0;
}
