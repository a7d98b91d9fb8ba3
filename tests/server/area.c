/* SPDX-License-Identifier: Apache-2.0 */
#include "area.h"

#include <stdlib.h>
#include <string.h>

static int area_page(void *ctx, const struct mu_cast_page *page,
                     uint8_t *block)
{
    struct area *a = ctx;
    assert_true(page->content_at + page->content_len <= AREA_OBJECT_MAX);
    memcpy(a->content + page->content_at, block + page->hashes_len,
           page->content_len);
    a->received += page->content_len;
    return 0;
}

static void areas_packet(void *ctx, struct mu_bytes packet)
{
    struct areas *set = ctx;
    for (unsigned i = 0; i < set->len; i++) {
        struct area *a = set->all[i];
        struct mu_bytes bare = packet;
        int rc;
        if (!a->receiving || mu_jitter_next(&a->chance) % 100 < a->loss)
            continue;
        if (packet.data[0] == MU_CAST_POLL)
            assert_int_equal(mu_ticked_take(&a->ticked, &a->rig->crypto,
                                            &a->kctl, a->rig->now, true,
                                            &bare), 0);
        rc = mu_cast_receiver_packet(&a->receiver, a->rig->now, bare);
        /* Another session, or a page that is done: never a forgery. */
        assert_int_not_equal(rc, packet.data[1] == a->manifest.session
                                     ? MU_ERR_AUTH : 1);
    }
}

void area_open(struct areas *set, struct area *a, struct rig *r,
               uint32_t number, const char *identity)
{
    memset(a, 0, sizeof *a);
    a->rig = r;
    a->number = number;
    a->identity = identity;
    a->chance = number * 77777;
    a->sink = (struct mu_cast_sink){a, area_page};
    set->all[set->len++] = a;
    r->on_packet = areas_packet;
    r->on_packet_ctx = set;
}

void area_close(struct area *a)
{
    free(a->work);
    a->work = NULL;
}

void area_link(struct area *a)
{
    struct rig *r = a->rig;
    struct mu_event ev = {.kind = MU_EV_LINK_UP,
                          .link = a->number,
                          .identity = rig_id(a->identity)};
    struct mu_secret kmr, khop;
    rig_event(r, &ev);
    assert_int_equal(rig_hello(r, a->number, 1, &a->welcome), 0);
    rig_kmr(r, a->identity, &kmr);
    assert_int_equal(mu_khop_derive(&r->crypto, &kmr, rig_id("server"),
                                    &khop), 0);
    assert_int_equal(mu_kdf(&r->crypto, &khop, "feedback", mu_bytes(NULL, 0),
                            16, &a->kfb), 0);
    assert_int_equal(mu_kdf(&r->crypto, &a->welcome.kw, "control",
                            mu_bytes(NULL, 0), 16, &a->kctl), 0);
    mu_ticked_told(&a->ticked, &r->crypto, &a->kctl, &a->welcome.tick);
}

unsigned area_list(struct area *a, struct mu_wide_camp_row rows[8])
{
    uint8_t room[16];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_wide_rows list;
    struct rig_send *s;
    unsigned n = 0;
    assert_int_equal(mu_wide_ask_create(0, &w), 0);
    s = rig_request(a->rig, a->number, "camp", mu_written(&w));
    assert_non_null(s);
    assert_int_equal(mu_wide_page_consume(rig_payload(s), &list), 0);
    while (n < 8 && mu_wide_camp_row_next(&list, &rows[n]))
        n++;
    assert_int_equal(mu_wide_rows_end(&list), 0);
    return n;
}

/* The tags that the server made open the fragments for a member. */
static void area_tags(struct area *a, const struct mu_secret *kb)
{
    struct mu_assembly assembly = {.session = 0};
    struct mu_secret kann;
    uint8_t room[MU_PACKET_MAX];
    int rc = 0;
    assert_int_equal(mu_kdf(&a->rig->crypto, kb, "announce",
                            mu_bytes(NULL, 0), 16, &kann), 0);
    for (uint8_t i = 0; i < a->campaign.tags_len; i++) {
        struct mu_writer w = mu_writer(room, sizeof room);
        assert_int_equal(
            mu_announce_packet(&a->rig->crypto, NULL, a->campaign.tags[i],
                               mu_bytes(a->object, a->campaign.object.len),
                               a->manifest.shape.payload, a->manifest.session,
                               i, &w), 0);
        rc = mu_assembly_packet(&assembly, &a->rig->crypto, &kann,
                                mu_written(&w));
        assert_true(rc >= 0);
    }
    assert_int_equal(rc, 1);
    assert_memory_equal(assembly.object, a->object, a->campaign.object.len);
}

static void area_receive(struct area *a)
{
    struct mu_cast_receiver_conf conf = {
        .crypto = &a->rig->crypto,
        .shape = a->manifest.shape,
        .size = a->manifest.size,
        .session = a->manifest.session,
        .receiver = a->welcome.index,
        .kfb = &a->kfb,
        .sink = &a->sink,
        .seed = a->number,
        .idle_ms = 500,
    };
    size_t len = mu_cast_receiver_work(&conf.shape);
    free(a->work);
    a->work = malloc(len);
    assert_non_null(a->work);
    a->received = 0;
    assert_int_equal(mu_cast_receiver_init(&a->receiver, &conf,
                                           a->manifest.roots, a->work, len,
                                           a->rig->now), 0);
    mu_cast_receiver_control(&a->receiver, &a->kctl,
                             (uint8_t)a->welcome.kid.generation);
    a->receiving = true;
}

uint8_t area_fetch(struct area *a, const uint8_t *campaign)
{
    uint8_t room[16];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_signer signer = {.alg = a->welcome.alg,
                               .pub_len = (uint8_t)a->welcome.pub.len};
    enum mu_announce_kind kind;
    struct rig_send *s;
    memcpy(signer.pub, a->rig->server.signer.pub, signer.pub_len);
    assert_int_equal(mu_wide_campaign_ask_create(campaign, 0, &w), 0);
    s = rig_request(a->rig, a->number, "camp/m", mu_written(&w));
    assert_non_null(s);
    if (s->code != MU_COAP_CONTENT)
        return s->code;
    memcpy(a->message, s->payload, s->payload_len);
    assert_int_equal(mu_wide_campaign_consume(
                         mu_bytes(a->message, s->payload_len), &a->campaign),
                     0);
    memcpy(a->object, a->campaign.object.data, a->campaign.object.len);
    assert_int_equal(
        mu_announce_consume(&a->rig->crypto, &signer, NULL,
                            mu_bytes(a->object, a->campaign.object.len),
                            &kind, &a->manifest), 0);
    assert_int_equal(kind, MU_ANNOUNCE_MANIFEST);
    assert_true(mu_kid_eq(&a->manifest.kid, &a->campaign.kid));
    area_receive(a);
    return 0;
}

bool area_done(const struct area *a)
{
    return a->receiving && mu_cast_receiver_done(&a->receiver);
}

static void area_needs(struct area *a)
{
    uint8_t room[MU_PACKET_MAX];
    size_t len;
    while (a->receiving && a->rig->alive &&
           (len = mu_cast_receiver_next(&a->receiver, a->rig->now, room,
                                        sizeof room)) != 0) {
        struct mu_event ev = {.kind = MU_EV_PACKET,
                              .channel = MU_CHANNEL_WIDE,
                              .packet = mu_bytes(room, len)};
        if (mu_jitter_next(&a->chance) % 100 >= a->loss)
            rig_event(a->rig, &ev);
    }
}

void areas_run(struct areas *set, mu_time span)
{
    struct rig *r = set->all[0]->rig;
    mu_time end = r->now + span;
    bool done = false;
    while (r->alive && r->now < end && !done) {
        rig_run(r, MU_MS(5));
        done = true;
        for (unsigned i = 0; i < set->len; i++) {
            area_needs(set->all[i]);
            if (set->all[i]->receiving && !area_done(set->all[i]))
                done = false;
        }
    }
}

int area_open_object(struct area *a, const struct mu_secret *kb,
                     uint8_t *plain)
{
    struct mu_secret cek;
    uint8_t digest[32];
    struct mu_bytes all = mu_bytes(plain, (size_t)a->manifest.size);
    int rc = mu_cek_unwrap(&a->rig->crypto, kb, a->manifest.wrapped_cek, &cek);
    if (rc != 0)
        return rc;
    area_tags(a, kb);
    memcpy(plain, a->content, (size_t)a->manifest.size);
    rc = mu_cast_crypt(&a->rig->crypto, &cek, 0, plain,
                       (size_t)a->manifest.size);
    assert_int_equal(rc, 0);
    mu_sha256(&a->rig->crypto, &all, 1, digest);
    return memcmp(digest, a->manifest.digest, 32) == 0 ? 0 : MU_ERR_DIGEST;
}
