/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GStreamer's MIKEY (gst_mikey of libgstsdp) as another pair of eyes:
 *   gst_peer read HEX   says what it makes of a message, a line a field
 *   gst_peer make N     writes message N, in hex
 * A program of its own, since it goes round for ever on payloads that it does
 * not know; the test runs it with a time limit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gst/gst.h>
#include <gst/sdp/gstmikey.h>

static void hex(const char *name, const guint8 *data, gsize len)
{
    printf("%s=", name);
    for (gsize i = 0; i < len; i++)
        printf("%02x", data[i]);
    printf("\n");
}

static void show_sp(const GstMIKEYPayload *p)
{
    const GstMIKEYPayloadSP *sp = (const void *)p;

    printf("sp=%u,%d\n", sp->policy, sp->proto);
    for (guint i = 0; i < gst_mikey_payload_sp_get_n_params(p); i++) {
        const GstMIKEYPayloadSPParam *q = gst_mikey_payload_sp_get_param(p, i);
        printf("param=%u,", q->type);
        hex("value", q->val, q->len);
    }
}

static void show_kemac(const GstMIKEYPayload *p)
{
    const GstMIKEYPayloadKEMAC *k = (const void *)p;

    printf("kemac=%d,%d\n", k->enc_alg, k->mac_alg);
    for (guint i = 0; i < gst_mikey_payload_kemac_get_n_sub(p); i++) {
        const GstMIKEYPayloadKeyData *d =
            (const void *)gst_mikey_payload_kemac_get_sub(p, i);
        printf("key=%d,%d,", d->key_type, d->kv_type);
        hex("data", d->key_data, d->key_len);
        hex("salt", d->salt_data, d->salt_len);
    }
}

static void show(const GstMIKEYMessage *m)
{
    printf("hdr=%d,%d,%d,%d,%08x,%d\n", m->version, m->type, m->V,
           m->prf_func, m->CSB_id, m->map_type);
    for (guint i = 0; i < gst_mikey_message_get_n_cs(m); i++) {
        const GstMIKEYMapSRTP *cs = gst_mikey_message_get_cs_srtp(m, i);
        printf("cs=%d,%08x,%08x\n", cs->policy, cs->ssrc, cs->roc);
    }
    for (guint i = 0; i < gst_mikey_message_get_n_payloads(m); i++) {
        const GstMIKEYPayload *p = gst_mikey_message_get_payload(m, i);
        const GstMIKEYPayloadT *t = (const void *)p;
        const GstMIKEYPayloadRAND *r = (const void *)p;
        if (p->type == GST_MIKEY_PT_T) {
            printf("t=%d,", t->type);
            hex("value", t->ts_value, t->type == 2 ? 4 : 8);
        } else if (p->type == GST_MIKEY_PT_RAND) {
            hex("rand", r->rand, r->len);
        } else if (p->type == GST_MIKEY_PT_SP) {
            show_sp(p);
        } else if (p->type == GST_MIKEY_PT_KEMAC) {
            show_kemac(p);
        } else {
            printf("payload=%d\n", p->type);
        }
    }
}

static int read_one(const char *text)
{
    const gsize len = strlen(text) / 2;
    guint8 *data = g_malloc(len + 1);
    GstMIKEYMessage *m;

    for (gsize i = 0; i < len; i++) {
        unsigned v = 0;
        if (sscanf(text + 2 * i, "%2x", &v) != 1)
            return 2;
        data[i] = (guint8)v;
    }
    m = gst_mikey_message_new_from_data(data, len, NULL, NULL);
    if (m == NULL) {
        printf("refused\n");
        return 0;
    }
    show(m);
    return 0;
}

/* Time type, key type and the number of policies go with N. */
static int make_one(unsigned n)
{
    static const guint8 when[8] = {0, 0, 0, 7, 0, 0, 0, 9};
    static const guint8 random[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    guint8 key[32];
    guint8 salt[14];
    guint8 one = 1;
    guint8 length = 16;
    GstMIKEYMessage *m = gst_mikey_message_new();
    GstMIKEYPayload *k = gst_mikey_payload_new(GST_MIKEY_PT_KEMAC);
    GstMIKEYPayload *d = gst_mikey_payload_new(GST_MIKEY_PT_KEY_DATA);
    GBytes *made;
    gsize len = 0;

    memset(key, 0xaa, sizeof key);
    memset(salt, 0xbb, sizeof salt);
    gst_mikey_message_set_info(m, GST_MIKEY_VERSION, GST_MIKEY_TYPE_PSK_INIT,
                               n % 2 == 1, GST_MIKEY_PRF_MIKEY_1,
                               0x12345678 + n, GST_MIKEY_MAP_TYPE_SRTP);
    for (unsigned i = 0; i < n % 3; i++)
        gst_mikey_message_add_cs_srtp(m, (guint8)i, 0x11223300 + i, 5 * i);
    gst_mikey_message_add_t(m, (GstMIKEYTSType)(n % 3), when);
    gst_mikey_message_add_rand(m, sizeof random, random);
    for (unsigned i = 0; i < n % 3; i++) {
        GstMIKEYPayload *sp = gst_mikey_payload_new(GST_MIKEY_PT_SP);
        gst_mikey_payload_sp_set(sp, i, GST_MIKEY_SEC_PROTO_SRTP);
        gst_mikey_payload_sp_add_param(sp, GST_MIKEY_SP_SRTP_ENC_ALG, 1, &one);
        gst_mikey_payload_sp_add_param(sp, GST_MIKEY_SP_SRTP_ENC_KEY_LEN, 1,
                                       &length);
        gst_mikey_message_add_payload(m, sp);
    }
    gst_mikey_payload_kemac_set(k, GST_MIKEY_ENC_NULL, GST_MIKEY_MAC_NULL);
    gst_mikey_payload_key_data_set_key(d,
                                       n % 2 == 0 ? GST_MIKEY_KD_TGK
                                                  : GST_MIKEY_KD_TEK,
                                       (guint16)(16 + 4 * (n % 4)), key);
    if (n % 4 > 1)
        gst_mikey_payload_key_data_set_salt(d, sizeof salt, salt);
    gst_mikey_payload_kemac_add_sub(k, d);
    gst_mikey_message_add_payload(m, k);
    made = gst_mikey_message_to_bytes(m, NULL, NULL);
    if (made == NULL)
        return 1;
    const guint8 *data = g_bytes_get_data(made, &len);
    hex("message", data, len);
    show(m);
    return 0;
}

int main(int argc, char **argv)
{
    gst_init(NULL, NULL);
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_one(argv[2]);
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make_one((unsigned)atoi(argv[2]));
    return 2;
}
