/* SPDX-License-Identifier: Apache-2.0 */
/* Records of who is a member where, and who has which place: see
 * muster/server_records.h. */
#include "muster/server_records.h"

#define RECORD_VERSION 1

_Static_assert(MU_ROSTER_CHUNK == MU_TARGETS, "a target is of a member");
_Static_assert(MU_AREA_DEVICES_MAX / MU_ROSTER_CHUNK <= UINT8_MAX + 1,
               "a chunk's number is a byte");

/* ---- keys ------------------------------------------------------------------ */

static struct mu_writer key_begin(struct mu_record_key *k, uint32_t group,
                                  char kind)
{
    struct mu_writer w = mu_writer(k->bytes, sizeof k->bytes);

    mu_write_u32(&w, group);
    mu_write_u8(&w, (uint8_t)kind);
    return w;
}

struct mu_record_key mu_record_key_map(uint32_t group, uint8_t copy,
                                       uint16_t page)
{
    struct mu_record_key k;
    struct mu_writer w = key_begin(&k, group, 'k');

    mu_write_u8(&w, copy);
    mu_write_u16(&w, page);
    k.len = mu_written(&w).len;
    return k;
}

struct mu_record_key mu_record_key_roster(uint32_t group, uint32_t gateway,
                                          uint8_t chunk)
{
    struct mu_record_key k;
    struct mu_writer w = key_begin(&k, group, 'r');

    mu_write_u32(&w, gateway);
    mu_write_u8(&w, chunk);
    k.len = mu_written(&w).len;
    return k;
}

struct mu_record_key mu_record_key_past(uint32_t group, uint32_t gateway,
                                        uint8_t chunk, uint64_t version)
{
    struct mu_record_key k;
    struct mu_writer w = key_begin(&k, group, 'v');

    mu_write_u32(&w, gateway);
    mu_write_u8(&w, chunk);
    mu_write_u64(&w, version);
    k.len = mu_written(&w).len;
    return k;
}

struct mu_record_key mu_record_key_areas(uint32_t group, uint16_t part)
{
    struct mu_record_key k;
    struct mu_writer w = key_begin(&k, group, 'a');

    mu_write_u16(&w, part);
    k.len = mu_written(&w).len;
    return k;
}

struct mu_record_key mu_record_key_places(uint32_t group, uint64_t base,
                                          uint32_t chunk)
{
    struct mu_record_key k;
    struct mu_writer w = key_begin(&k, group, 'p');

    mu_write_u64(&w, base);
    mu_write_u32(&w, chunk);
    k.len = mu_written(&w).len;
    return k;
}

struct mu_record_key mu_record_key_trees(uint32_t group, uint64_t base)
{
    struct mu_record_key k;
    struct mu_writer w = key_begin(&k, group, 'e');

    mu_write_u64(&w, base);
    k.len = mu_written(&w).len;
    return k;
}

/* ---- forms ----------------------------------------------------------------- */

static struct mu_reader record_begin(struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);

    if (mu_read_u8(&r) != RECORD_VERSION)
        mu_reader_fail(&r);
    return r;
}

static int record_end(const struct mu_reader *r)
{
    return mu_reader_end(r) == 0 ? 0 : MU_ERR_CORRUPT;
}

void mu_roster_record_write(struct mu_writer *w,
                            const struct mu_roster_record *r)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u64(w, r->since);
    mu_write_u64(w, r->kept);
    mu_write_u64(w, r->base);
    mu_write_bytes(w, MU_BYTES(r->members));
    mu_write_bytes(w, MU_BYTES(r->ready));
}

int mu_roster_record_read(struct mu_bytes in, struct mu_roster_record *r)
{
    struct mu_reader rd = record_begin(in);

    r->since = mu_read_u64(&rd);
    r->kept = mu_read_u64(&rd);
    r->base = mu_read_u64(&rd);
    mu_read_copy(&rd, r->members, sizeof r->members);
    mu_read_copy(&rd, r->ready, sizeof r->ready);
    return record_end(&rd);
}

void mu_areas_record_write(struct mu_writer *w,
                           const struct mu_areas_record *r)
{
    uint16_t used = MU_ROSTER_CHUNK;

    while (used > 0 && r->members[used - 1] == 0)
        used--;
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u64(w, r->base);
    mu_write_u16(w, used);
    for (uint16_t i = 0; i < used; i++) {
        mu_write_u16(w, r->members[i]);
        mu_write_u16(w, r->ready[i]);
    }
}

int mu_areas_record_read(struct mu_bytes in, struct mu_areas_record *r)
{
    struct mu_reader rd = record_begin(in);
    uint16_t used;

    *r = (struct mu_areas_record){.base = 0};
    r->base = mu_read_u64(&rd);
    used = mu_read_u16(&rd);
    if (used > MU_ROSTER_CHUNK)
        return MU_ERR_CORRUPT;
    for (uint16_t i = 0; i < used; i++) {
        r->members[i] = mu_read_u16(&rd);
        r->ready[i] = mu_read_u16(&rd);
        if (r->ready[i] > r->members[i])
            mu_reader_fail(&rd);
    }
    return record_end(&rd);
}

void mu_places_record_write(struct mu_writer *w,
                            const struct mu_places_record *r)
{
    mu_write_u8(w, RECORD_VERSION);
    for (unsigned i = 0; i < MU_ROSTER_CHUNK; i++) {
        mu_write_u16(w, r->at[i].gateway);
        mu_write_u16(w, r->at[i].index);
        mu_write_u32(w, r->at[i].since);
    }
}

int mu_places_record_read(struct mu_bytes in, struct mu_places_record *r)
{
    struct mu_reader rd = record_begin(in);

    for (unsigned i = 0; i < MU_ROSTER_CHUNK; i++) {
        r->at[i].gateway = mu_read_u16(&rd);
        r->at[i].index = mu_read_u16(&rd);
        r->at[i].since = mu_read_u32(&rd);
    }
    return record_end(&rd);
}
