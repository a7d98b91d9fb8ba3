/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: which public key belongs to which id. The salt is new in every
 * version, so that nobody searches for a false positive of the filter before
 * it is in force; how long such a search takes is in
 * docs/source-authentication.md.
 */
#include "muster/source_sign.h"

#include "muster/cbor.h"

enum directory_key {
    D_KIND = 1, D_VERSION, D_MEMBERS, D_HASHES, D_SALT, D_BITS,
};

enum { LEAF = 0, NODE = 1, HASH = 32 };

/* ---- who ---- */

int mu_who_make(struct mu_bytes pub, struct mu_bytes name,
                struct mu_directory_member *m)
{
    struct mu_writer w = mu_writer(m->who, sizeof(m->who));

    if (pub.len > MU_PUBLIC_KEY_MAX || name.len > MU_ID_MAX)
        return MU_ERR_USAGE;
    mu_write_bytes(&w, pub);
    mu_write_u8(&w, (uint8_t)name.len);
    mu_write_bytes(&w, name);
    m->who_len = (uint8_t)w.len;
    return mu_writer_end(&w);
}

int mu_who_parse(struct mu_bytes who, enum mu_alg alg, struct mu_bytes *pub,
                 struct mu_bytes *name)
{
    struct mu_reader r = mu_reader(who);

    *pub = mu_read_bytes(&r, alg == MU_ALG_ES256 ? 65 : 32);
    *name = mu_read_bytes(&r, mu_read_u8(&r));
    return mu_reader_end(&r) == 0 && name->len <= MU_ID_MAX
               ? 0 : MU_ERR_MALFORMED;
}

/* ---- Bloom ---- */

static void bloom_digest(const struct mu_crypto *c, const uint8_t *salt,
                         uint32_t id, struct mu_bytes who, uint8_t out[32])
{
    uint8_t number[4];
    struct mu_writer w = mu_writer(number, sizeof(number));
    struct mu_bytes parts[3] = {
        {salt, MU_DIRECTORY_SALT}, MU_BYTES(number), who,
    };

    mu_write_u32(&w, id);
    mu_sha256(c, parts, 3, out);
}

/* Bit i of a member: two halves of one hash make all (Kirsch-Mitzenmacher). */
static uint32_t bloom_bit(const uint8_t digest[32], unsigned i, size_t bits)
{
    struct mu_reader r = mu_reader(mu_bytes(digest, 16));
    uint64_t a = mu_read_u64(&r), b = mu_read_u64(&r) | 1;

    return (uint32_t)((a + i * b) % bits);
}

int mu_bloom_make(const struct mu_crypto *c,
                  const struct mu_directory_member *members,
                  size_t members_len, const uint8_t salt[MU_DIRECTORY_SALT],
                  uint8_t *bits, size_t bits_len, uint8_t *hashes)
{
    uint8_t digest[32];
    size_t k;

    if (members_len == 0 || bits_len == 0 || bits_len > MU_BLOOM_BYTES_MAX)
        return MU_ERR_USAGE;
    k = bits_len * 8 * 693 / (members_len * 1000); /* bits / members * ln 2 */
    if (k == 0)
        return MU_ERR_TOO_LARGE;
    if (k > MU_BLOOM_HASHES_MAX)
        k = MU_BLOOM_HASHES_MAX;
    mu_zero(bits, bits_len);
    for (size_t i = 0; i < members_len; i++) {
        bloom_digest(c, salt, members[i].id,
                     mu_bytes(members[i].who, members[i].who_len), digest);
        for (unsigned n = 0; n < k; n++) {
            uint32_t bit = bloom_bit(digest, n, bits_len * 8);

            bits[bit / 8] = (uint8_t)(bits[bit / 8] | 1u << (bit % 8));
        }
    }
    *hashes = (uint8_t)k;
    return 0;
}

bool mu_bloom_has(const struct mu_crypto *c, const struct mu_directory *d,
                  uint32_t id, struct mu_bytes who)
{
    uint8_t digest[32];

    bloom_digest(c, d->salt, id, who, digest);
    for (unsigned n = 0; n < d->hashes; n++) {
        uint32_t bit = bloom_bit(digest, n, d->bits.len * 8);

        if ((d->bits.data[bit / 8] >> (bit % 8) & 1) == 0)
            return false;
    }
    return d->hashes > 0;
}

/* ---- Merkle: leaves and nodes apart, as RFC 6962 s.2.1 does ---- */

static void merkle_leaf(const struct mu_crypto *c, const uint8_t *salt,
                        uint32_t id, struct mu_bytes who, uint8_t out[HASH])
{
    uint8_t head[1 + 4];
    struct mu_writer w = mu_writer(head, sizeof(head));
    struct mu_bytes parts[3] = {
        MU_BYTES(head), {salt, MU_DIRECTORY_SALT}, who,
    };

    mu_write_u8(&w, LEAF);
    mu_write_u32(&w, id);
    mu_sha256(c, parts, 3, out);
}

static void merkle_node(const struct mu_crypto *c, const uint8_t *left,
                        const uint8_t *right, uint8_t out[HASH])
{
    const uint8_t kind = NODE;
    struct mu_bytes parts[3] = {{&kind, 1}, {left, HASH}, {right, HASH}};

    mu_sha256(c, parts, 3, out);
}

uint8_t mu_merkle_depth(size_t members_len)
{
    uint8_t depth = 0;

    while (((size_t)1 << depth) < members_len)
        depth++;
    return depth;
}

/* A full tree, level after level from the leaves; what is missing is zero. */
size_t mu_merkle_work(size_t members_len)
{
    return (((size_t)2 << mu_merkle_depth(members_len)) - 1) * HASH;
}

int mu_merkle_make(const struct mu_crypto *c,
                   const struct mu_directory_member *members,
                   size_t members_len, const uint8_t salt[MU_DIRECTORY_SALT],
                   void *work, size_t work_len, uint8_t root[HASH])
{
    uint8_t depth = mu_merkle_depth(members_len), *level = work;

    if (members_len == 0 || depth > MU_MERKLE_DEPTH_MAX)
        return MU_ERR_USAGE;
    if (work_len < mu_merkle_work(members_len))
        return MU_ERR_NO_SPACE;
    mu_zero(work, mu_merkle_work(members_len));
    for (size_t i = 0; i < members_len; i++)
        merkle_leaf(c, salt, members[i].id,
                    mu_bytes(members[i].who, members[i].who_len),
                    level + i * HASH);
    for (size_t width = (size_t)1 << depth; width > 1; width /= 2) {
        uint8_t *above = level + width * HASH;

        for (size_t i = 0; i < width; i += 2)
            merkle_node(c, level + i * HASH, level + (i + 1) * HASH,
                        above + i / 2 * HASH);
        level = above;
    }
    mu_copy(root, level, HASH);
    return 0;
}

int mu_merkle_path(const void *work, size_t members_len, size_t index,
                   uint8_t *path, size_t path_len)
{
    uint8_t depth = mu_merkle_depth(members_len);
    const uint8_t *level = work;
    size_t width = (size_t)1 << depth;

    if (index >= members_len || path_len < (size_t)depth * HASH)
        return MU_ERR_USAGE;
    for (uint8_t i = 0; i < depth; i++) {
        mu_copy(path + (size_t)i * HASH, level + (index ^ 1) * HASH, HASH);
        level += width * HASH;
        width /= 2;
        index /= 2;
    }
    return 0;
}

bool mu_merkle_has(const struct mu_crypto *c, const struct mu_directory *d,
                   uint32_t id, struct mu_bytes who, uint32_t index,
                   struct mu_bytes path)
{
    uint8_t at[HASH];

    if (index >= d->members ||
        path.len != (size_t)mu_merkle_depth(d->members) * HASH ||
        d->bits.len != HASH)
        return false;
    merkle_leaf(c, d->salt, id, who, at);
    for (size_t i = 0; i < path.len; i += HASH) {
        if ((index & 1) != 0)
            merkle_node(c, path.data + i, at, at);
        else
            merkle_node(c, at, path.data + i, at);
        index >>= 1;
    }
    return mu_bytes_eq(MU_BYTES(at), d->bits);
}

/* ---- the object ---- */

static int directory_check(const struct mu_directory *d)
{
    bool bloom = d->kind == MU_DIRECTORY_BLOOM;

    if (d->version == 0 || d->members == 0 ||
        (!bloom && d->kind != MU_DIRECTORY_MERKLE))
        return MU_ERR_MALFORMED;
    if (bloom && (d->hashes == 0 || d->hashes > MU_BLOOM_HASHES_MAX ||
                  d->bits.len == 0 || d->bits.len > MU_BLOOM_BYTES_MAX))
        return MU_ERR_MALFORMED;
    if (!bloom && (d->hashes != 0 || d->bits.len != HASH ||
                   d->members > 1u << MU_MERKLE_DEPTH_MAX))
        return MU_ERR_MALFORMED;
    return 0;
}

int mu_directory_create(const struct mu_source_proof *p,
                        const struct mu_directory *d, struct mu_writer *w)
{
    uint8_t payload[MU_BLOOM_BYTES_MAX + 64];
    struct mu_writer out = mu_writer(payload, sizeof(payload));

    if (directory_check(d) != 0)
        return MU_ERR_USAGE;
    mu_cbor_put_map(&out, 6);
    mu_cbor_put_uint(&out, D_KIND);
    mu_cbor_put_uint(&out, d->kind);
    mu_cbor_put_uint(&out, D_VERSION);
    mu_cbor_put_uint(&out, d->version);
    mu_cbor_put_uint(&out, D_MEMBERS);
    mu_cbor_put_uint(&out, d->members);
    mu_cbor_put_uint(&out, D_HASHES);
    mu_cbor_put_uint(&out, d->hashes);
    mu_cbor_put_uint(&out, D_SALT);
    mu_cbor_put_bstr(&out, MU_BYTES(d->salt));
    mu_cbor_put_uint(&out, D_BITS);
    mu_cbor_put_bstr(&out, d->bits);
    if (mu_writer_end(&out) != 0)
        return MU_ERR_TOO_LARGE;
    return mu_source_proof_create(p, "muster directory", mu_written(&out), w);
}

int mu_directory_consume(const struct mu_source_proof *p,
                         struct mu_bytes object, struct mu_directory *d)
{
    struct mu_bytes payload;
    struct mu_reader r;
    int rc = mu_source_proof_consume(p, "muster directory", object, &payload);

    if (rc != 0)
        return rc;
    r = mu_reader(payload);
    *d = (struct mu_directory){.version = 0};
    if (mu_cbor_get_map(&r).left != 6)
        mu_reader_fail(&r);
    mu_cbor_expect_uint(&r, D_KIND);
    d->kind = (enum mu_directory_kind)mu_cbor_get_uint_max(
        &r, MU_DIRECTORY_MERKLE);
    mu_cbor_expect_uint(&r, D_VERSION);
    d->version = mu_cbor_get_uint(&r);
    mu_cbor_expect_uint(&r, D_MEMBERS);
    d->members = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
    mu_cbor_expect_uint(&r, D_HASHES);
    d->hashes = (uint8_t)mu_cbor_get_uint_max(&r, MU_BLOOM_HASHES_MAX);
    mu_cbor_expect_uint(&r, D_SALT);
    mu_cbor_get_bstr_copy(&r, d->salt, sizeof(d->salt));
    mu_cbor_expect_uint(&r, D_BITS);
    d->bits = mu_cbor_get_bstr(&r);
    rc = mu_reader_end(&r);
    return rc != 0 ? rc : directory_check(d);
}
