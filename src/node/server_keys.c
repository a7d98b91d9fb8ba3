/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own keys: epoch, signing key, Kw, and the counters that number
 * generations and campaigns. docs/wire-format.md s.1 and s.3.
 *
 * A generation is epoch << 32 | counter. The counter alone could repeat after
 * an old copy of the store was put back; nodes notice by the epoch that they
 * have seen, and whatever is made afterwards lies in an epoch of its own.
 */
#include "node/server_core.h"

#define GENERATIONS_BLOCK 64
#define GENERATIONS_SKIP (1u << 20) /* at most, before the first of a run */
#define NUMBERS_BLOCK 16
/* An epoch grows by one with every old copy put back, and a copy is put back
 * before a start. So a node that lies can neither burn the number space nor
 * have the keys made anew for ever. */
#define EPOCH_LEAP_MAX 1024
#define EPOCH_LEAPS_MAX 16 /* in one run */

static const char signer_name[] = "signer";

static struct mu_record_key signer_key(void)
{
    struct mu_record_key k = {.len = sizeof signer_name - 1};

    mu_copy(k.bytes, signer_name, k.len);
    return k;
}

static int signer_make(struct mu_server *s)
{
    const struct mu_crypto *c = s->conf.crypto;
    struct mu_record_key k = signer_key();
    struct mu_signer_record r = {.alg = MU_ALG_ES256};
    struct mu_writer w = mu_srv_writer(s);
    size_t pub_len = 0;
    int rc = c->keypair(c->ctx, r.alg, &s->signer.priv, r.pub, &pub_len);

    if (rc == 0)
        rc = mu_seal_create(c, s->conf.master, MU_TABLE_NODE,
                            mu_record_key_view(&k), &s->signer.priv, &r.priv);
    if (rc != 0)
        return rc;
    r.pub_len = (uint8_t)pub_len;
    s->signer.alg = r.alg;
    s->signer.pub_len = r.pub_len;
    mu_copy(s->signer.pub, r.pub, pub_len);
    mu_signer_record_write(&w, &r);
    (void)mu_srv_put_written(s, MU_TABLE_NODE, &k, &w);
    mu_srv_trace(s, "signer-made", 0, 0);
    return 0;
}

static int signer_load(struct mu_server *s)
{
    struct mu_record_key k = signer_key();
    struct mu_signer_record r;
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_NODE, &k, &value);

    if (rc == MU_ERR_NOT_FOUND)
        return signer_make(s);
    if (rc == 0)
        rc = mu_signer_record_read(value, &r);
    if (rc == 0)
        rc = mu_seal_consume(s->conf.crypto, s->conf.master, MU_TABLE_NODE,
                             mu_record_key_view(&k), &r.priv, &s->signer.priv);
    if (rc != 0)
        return rc;
    s->signer.alg = r.alg;
    s->signer.pub_len = r.pub_len;
    mu_copy(s->signer.pub, r.pub, r.pub_len);
    return 0;
}

/* A number that is not there yet is `first`, and is not stored by this. */
static int number_load(struct mu_server *s, const char *name, uint64_t first,
                       uint64_t *number)
{
    int rc = mu_srv_number_get(s, name, number);

    if (rc != MU_ERR_NOT_FOUND)
        return rc;
    *number = first;
    return 0;
}

/* ---- Kw -------------------------------------------------------------------- */

#define TICKS_LEAST 64u /* of a chain that has ended are not told */

/* The ticks of the wide-area cast (muster/tick.h) are made anew in every run:
 * nobody is sent anything before he has said hello. */
static int kw_derive(struct mu_server *s)
{
    const struct mu_crypto *c = s->conf.crypto;
    struct mu_secret seed;
    uint8_t fresh[32];
    int rc = mu_kdf(c, &s->kw, "control", mu_bytes(NULL, 0), 16, &s->kctl);

    if (rc == 0 && mu_secret_eq(&s->ticker.kctl, &s->kctl))
        return 0; /* the store was read again, and nobody knows */
    if (rc == 0)
        rc = c->random(c->ctx, fresh, sizeof fresh);
    if (rc == 0)
        rc = mu_secret_set(&seed, MU_BYTES(fresh));
    mu_wipe(fresh, sizeof fresh);
    if (rc == 0)
        rc = mu_ticker_init(&s->ticker, c, &s->kctl, &seed, MU_TICKS_MAX, 0);
    mu_secret_clear(&seed);
    mu_ticker_allow(&s->ticker, MU_TICKS_MAX);
    return rc;
}

static int kw_load(struct mu_server *s)
{
    struct mu_kid kid = {.kind = MU_KEY_KW};
    int rc = mu_srv_number_get(s, "wide key", &kid.generation);

    s->kw_kid = (struct mu_kid){.kind = MU_KEY_NONE};
    if (rc == MU_ERR_NOT_FOUND || (rc == 0 && kid.generation == 0))
        return 0;
    if (rc == 0)
        rc = mu_srv_key_get(s, &kid, &s->kw);
    if (rc == 0)
        rc = kw_derive(s);
    if (rc == 0)
        s->kw_kid = kid;
    return rc;
}

static bool kw_stale(const struct mu_server *s)
{
    return s->kw_kid.kind == MU_KEY_NONE ||
           mu_ticker_left(&s->ticker) < TICKS_LEAST ||
           s->kw_kid.generation >> 32 != s->epoch;
}

static int kw_make(struct mu_server *s)
{
    const struct mu_crypto *c = s->conf.crypto;
    struct mu_kid kid = {.kind = MU_KEY_KW};
    uint8_t fresh[32];
    int rc = mu_srv_generation_take(s, &kid.generation);

    if (rc == 0)
        rc = c->random(c->ctx, fresh, sizeof fresh);
    if (rc != 0)
        return rc;
    if (s->kw_kid.kind != MU_KEY_NONE)
        mu_srv_key_drop(s, &s->kw_kid);
    rc = mu_secret_set(&s->kw, MU_BYTES(fresh));
    mu_wipe(fresh, sizeof fresh);
    if (rc == 0)
        rc = kw_derive(s);
    if (rc == 0)
        rc = mu_srv_key_put(s, &kid, MU_PHASE_ACTIVE, &s->kw);
    if (rc != 0)
        return rc;
    s->kw_kid = kid;
    (void)mu_srv_number_put(s, "wide key", kid.generation);
    mu_srv_cast_control(s);
    for (uint32_t n = 1; n <= s->gateways_len; n++)
        mu_srv_notice(s, n);
    mu_srv_trace(s, "wide-key", kid.generation, 0);
    return 0;
}

void mu_srv_kw_void(struct mu_server *s)
{
    if (s->kw_kid.kind == MU_KEY_NONE)
        return;
    mu_srv_key_drop(s, &s->kw_kid);
    (void)mu_srv_number_put(s, "wide key", 0);
    s->kw_kid = (struct mu_kid){.kind = MU_KEY_NONE};
}

/* ---- all of them ----------------------------------------------------------- */

/*
 * An old copy of the store that was put back counts once more what has been
 * counted. While nobody has connected who remembers, two keys could get one
 * number, and who holds the first would never ask for the second. So every run
 * begins to count at another place: it gives out either larger numbers than
 * those that were lost, or smaller ones, and then the epoch leaps when somebody
 * claims one of the larger. The first run has nothing before it. Half way
 * through the numbers an epoch ends.
 */
static int generations_begin(struct mu_server *s, uint64_t stored)
{
    const struct mu_crypto *c = s->conf.crypto;
    uint8_t skip[4];
    struct mu_reader r = mu_reader(MU_BYTES(skip));
    int rc = c->random(c->ctx, skip, sizeof skip);

    if (rc != 0)
        return rc;
    if (stored > UINT32_MAX / 2) {
        s->epoch++;
        stored = 1;
        s->generations_base = 0;
        (void)mu_srv_number_put(s, "epoch", s->epoch);
        (void)mu_srv_number_put(s, "generations", stored);
        mu_srv_trace(s, "epoch", s->epoch, 0);
    }
    if (s->generations_base == 0)
        s->generations_base =
            stored + (stored > 1 ? mu_read_u32(&r) % GENERATIONS_SKIP : 0);
    if (stored < s->generations_base)
        stored = s->generations_base;
    mu_counter_init(&s->generations, stored, GENERATIONS_BLOCK);
    return 0;
}

int mu_srv_keys_load(struct mu_server *s)
{
    uint64_t epoch, generations, numbers;
    uint8_t start[4];
    int rc = number_load(s, "epoch", 0, &epoch);

    if (rc == 0 && epoch > UINT32_MAX)
        rc = MU_ERR_CORRUPT;
    if (rc == 0)
        rc = number_load(s, "generations", 1, &generations);
    if (rc == 0)
        rc = number_load(s, "campaigns", 1, &numbers);
    if (rc == 0)
        rc = s->conf.crypto->random(s->conf.crypto->ctx, start, sizeof start);
    if (rc != 0)
        return rc;
    s->epoch = (uint32_t)epoch;
    if (s->epoch == 0) {
        s->epoch = 1;
        (void)mu_srv_number_put(s, "epoch", s->epoch);
        mu_srv_trace(s, "epoch", s->epoch, 0);
    }
    rc = generations_begin(s, generations);
    if (rc != 0)
        return rc;
    mu_counter_init(&s->numbers, numbers, NUMBERS_BLOCK);
    s->generations_ticket = s->numbers_ticket = 0;
    s->epoch_leaps = 0;
    /* Somewhere else in every run, so that a gateway asks after a restart. */
    s->campaigns_version = (uint64_t)(start[0] & 0x7fu) << 24 |
                           (uint64_t)start[1] << 16 |
                           (uint64_t)start[2] << 8;
    s->session = start[3];
    rc = signer_load(s);
    return rc == 0 ? kw_load(s) : rc;
}

static void counter_work(struct mu_server *s, struct mu_counter *counter,
                         const char *name, uint32_t *ticket, uint64_t *end)
{
    if (mu_counter_wants(counter, end))
        *ticket = mu_srv_number_put(s, name, *end);
}

bool mu_srv_keys_work(struct mu_server *s)
{
    counter_work(s, &s->generations, "generations", &s->generations_ticket,
                 &s->generations_end);
    counter_work(s, &s->numbers, "campaigns", &s->numbers_ticket,
                 &s->numbers_end);
    return !kw_stale(s) || kw_make(s) == 0;
}

void mu_srv_keys_stored(struct mu_server *s)
{
    if (s->generations_ticket != 0 &&
        mu_srv_is_durable(s, s->generations_ticket)) {
        mu_counter_stored(&s->generations, s->generations_end);
        s->generations_ticket = 0;
    }
    if (s->numbers_ticket != 0 && mu_srv_is_durable(s, s->numbers_ticket)) {
        mu_counter_stored(&s->numbers, s->numbers_end);
        s->numbers_ticket = 0;
    }
}

int mu_srv_generation_take(struct mu_server *s, uint64_t *generation)
{
    uint64_t counter;
    int rc = mu_counter_take(&s->generations, &counter);

    if (rc != 0)
        return rc;
    if (counter > UINT32_MAX)
        return MU_ERR_EXHAUSTED;
    *generation = (uint64_t)s->epoch << 32 | counter;
    return 0;
}

static int epoch_leap(struct mu_server *s, uint32_t epoch)
{
    if (epoch - s->epoch > EPOCH_LEAP_MAX || epoch == UINT32_MAX ||
        s->epoch_leaps >= EPOCH_LEAPS_MAX)
        return MU_ERR_FORBIDDEN;
    s->epoch_leaps++;
    s->epoch = epoch + 1;
    (void)mu_srv_number_put(s, "epoch", s->epoch);
    mu_srv_groups_mark(s, true);
    mu_srv_trace(s, "epoch", s->epoch, 0);
    /* Kw at once, if a number is at hand: it is in the next answers. */
    (void)mu_srv_keys_work(s);
    return 0;
}

int mu_srv_epoch_seen(struct mu_server *s, uint32_t epoch)
{
    return epoch > s->epoch ? epoch_leap(s, epoch) : 0;
}

int mu_srv_generation_seen(struct mu_server *s, uint64_t generation)
{
    uint32_t epoch = (uint32_t)(generation >> 32);

    if (epoch < s->epoch ||
        (epoch == s->epoch && (uint32_t)generation < s->generations.next))
        return 0;
    return epoch_leap(s, epoch);
}

uint64_t mu_srv_area_version(const struct mu_server *s,
                             const struct mu_gateway_record *g)
{
    /* An old copy of the store may count to the same number again. */
    return (uint64_t)s->epoch << 32 | g->area_version;
}

struct mu_kid mu_srv_kb_kid(uint32_t group, uint64_t generation)
{
    return (struct mu_kid){MU_KEY_KB, group, generation};
}

uint32_t mu_server_epoch(const struct mu_server *s)
{
    return s->epoch;
}
