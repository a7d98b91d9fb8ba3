/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody with everything that a member of the area has, its key above all,
 * among programs that speak and listen: what he makes up, repeats or holds back
 * is heard by nobody. Speakers that are out, processes that die, a server that
 * comes back as it was.
 */
#include "speech.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/node.h"
#include "muster/source_tesla.h"
#include "muster/speaker.h"
#include "store/store.h"

#define AIR_MAX 512

struct air {
    uint8_t bytes[MU_PACKET_MAX];
    size_t len;
};

static struct insider {
    const struct mu_crypto *crypto;
    struct mu_secret kctl;
    uint32_t number; /* of the gateway */
    int hears, says;
    struct sockaddr_in group;
    in_port_t port;
    struct air air[AIR_MAX];
    unsigned len;
} in;

/* ---- what he knows --------------------------------------------------------- */

/* A record of a program's journal, as it stands on the disk. */
static size_t record_of(struct lab *lab, const char *dir, const char *key,
                        uint8_t value[MU_STORE_VALUE_MAX])
{
    char command[400];
    struct mu_journal *journal;
    struct mu_store store;
    size_t len = MU_STORE_VALUE_MAX;

    snprintf(command, sizeof(command), "cp %s/%s/journal %s/stolen", lab->dir,
             dir, lab->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(mu_journal_open(&journal, lab_path(lab, "stolen"), NULL,
                                     &store, NULL), 0);
    assert_int_equal(store.get(store.ctx, MU_TABLE_NODE, mu_bytes_str(key),
                               value, &len), 0);
    mu_journal_close(journal);
    unlink(lab_path(lab, "stolen"));
    return len;
}

/* Kg: every device holds it; the gateway's disk is where the test finds it. */
static void steal_area_key(struct lab *lab)
{
    uint8_t value[MU_STORE_VALUE_MAX];
    size_t len = record_of(lab, "gateway", "kg", value);
    struct mu_reader r = mu_reader(mu_bytes(value, len));
    struct mu_secret kg;
    struct mu_kid kid;
    uint8_t key_len;

    (void)mu_read_u8(&r);
    key_len = mu_read_u8(&r);
    kid = mu_kid_read(&r);
    assert_int_equal(kid.kind, MU_KEY_KG);
    in.number = kid.scope;
    assert_int_equal(mu_secret_set(&kg, mu_read_bytes(&r, key_len)), 0);
    assert_int_equal(mu_kdf(in.crypto, &kg, "control", mu_bytes(NULL, 0), 16,
                            &in.kctl), 0);
}

static void insider_open(struct lab *lab)
{
    struct ip_mreqn by = { .imr_address.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in any = { .sin_family = AF_INET };
    socklen_t len = sizeof(any);
    const char *colon = strrchr(lab->group, ':');
    char host[64];
    int one = 1;

    memset(&in, 0, sizeof(in));
    in.crypto = mu_crypto_openssl();
    snprintf(host, sizeof(host), "%.*s", (int)(colon - lab->group),
             lab->group);
    in.group = (struct sockaddr_in){ .sin_family = AF_INET };
    assert_int_equal(inet_pton(AF_INET, host, &in.group.sin_addr), 1);
    in.group.sin_port = htons((uint16_t)atoi(colon + 1));
    by.imr_multiaddr = in.group.sin_addr;
    in.hears = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(in.hears, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(in.hears, (struct sockaddr *)&in.group,
                          sizeof(in.group)), 0);
    assert_int_equal(setsockopt(in.hears, IPPROTO_IP, IP_ADD_MEMBERSHIP, &by,
                                sizeof(by)), 0);
    in.says = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(in.says, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(getsockname(in.says, (struct sockaddr *)&any, &len), 0);
    in.port = any.sin_port;
    assert_int_equal(setsockopt(in.says, IPPROTO_IP, IP_MULTICAST_IF, &by,
                                sizeof(by)), 0);
    steal_area_key(lab);
}

static void insider_close(void)
{
    close(in.hears);
    close(in.says);
}

/* ---- what he hears and says ------------------------------------------------ */

/* Frames of others, for so long. */
static void overhear(unsigned ms)
{
    uint64_t end = lab_now() + ms;

    while (lab_now() < end) {
        struct pollfd wait = { .fd = in.hears, .events = POLLIN };
        struct air *a = &in.air[in.len];
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        ssize_t n;

        if (poll(&wait, 1, 20) != 1)
            continue;
        n = recvfrom(in.hears, a->bytes, sizeof(a->bytes), 0,
                     (struct sockaddr *)&from, &from_len);
        a->len = n > 0 ? (size_t)n : 0;
        if (n > 0 && a->bytes[0] == MU_SPEECH_FRAME && from.sin_port != in.port &&
            in.len + 1 < AIR_MAX)
            in.len++;
    }
}

static void shout(const void *bytes, size_t len)
{
    sendto(in.says, bytes, len, 0, (const struct sockaddr *)&in.group,
           sizeof(in.group));
}

/* A frame that holds: he has the key of the area. */
static void frame(const struct air *like, uint32_t id, uint16_t run,
                  struct mu_bytes packet)
{
    uint8_t out[MU_PACKET_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_speech_frame m;

    assert_int_equal(mu_speech_frame_peek(mu_bytes(like->bytes, like->len),
                                          &m), 0);
    m.id = id;
    m.run = run;
    m.packet = packet;
    assert_int_equal(mu_speech_frame_create(in.crypto, &in.kctl, &m, &w), 0);
    shout(out, w.len);
}

/* Under a key that is out: he can make the tag of that interval now. */
static void under_disclosed(const struct air *a, const struct mu_speech_frame *m)
{
    const struct mu_tesla_params p = {
        .prf = MU_TESLA_SHA256, .key_len = 16, .tag_len = 8,
    };
    uint8_t packet[64], tag[16], body[] = "\0\0\0\x63" "forged under a key";
    struct mu_writer w = mu_writer(packet, sizeof(packet));
    struct mu_bytes parts[2];

    if (m->packet.data[0] != MU_SOURCE_KEY)
        return;
    mu_write_u8(&w, MU_SOURCE_UTESLA);
    mu_write_bytes(&w, mu_bytes(m->packet.data + 1, 5));
    parts[0] = mu_bytes(packet, 6);
    parts[1] = mu_bytes(body, sizeof(body) - 1);
    assert_int_equal(mu_tesla_tag(in.crypto, &p, m->packet.data + 6, parts, 2,
                                  tag), 0);
    mu_write_bytes(&w, mu_bytes(tag, 8));
    mu_write_bytes(&w, parts[1]);
    frame(a, m->id, m->run, mu_written(&w));
}

/* Each frame that was heard: again, with another text, in another's name, of
 * another run, and what else it helps to make. */
static void attack(void)
{
    for (unsigned i = 0; i < in.len; i++) {
        const struct air *a = &in.air[i];
        struct mu_speech_frame m;
        uint8_t other[MU_PACKET_MAX];

        assert_int_equal(mu_speech_frame_consume(
                             in.crypto, &in.kctl, mu_bytes(a->bytes, a->len),
                             &m), 0);
        shout(a->bytes, a->len);
        memcpy(other, m.packet.data, m.packet.len);
        for (unsigned k = 0; k < 4; k++) {
            other[m.packet.len - 1 - k] ^= 0x15;
            frame(a, m.id, m.run, mu_bytes(other, m.packet.len));
        }
        memcpy(other, m.packet.data, m.packet.len);
        other[1] ^= 1; /* another id, or stream */
        frame(a, m.id ^ 1, m.run, mu_bytes(other, m.packet.len));
        frame(a, mu_speech_id(in.number, 0), m.run, m.packet);
        frame(a, mu_speech_id(in.number, 2), m.run, m.packet);
        frame(a, m.id, (uint16_t)(m.run + 1), m.packet);
        other[1] ^= 1;
        other[5] ^= 1; /* another counter, interval or place */
        frame(a, m.id, m.run, mu_bytes(other, m.packet.len));
        under_disclosed(a, &m);
    }
}

/* In the name of the gateway, under a key of his own. */
static void impostor(const struct air *like)
{
    struct mu_signer signer = { .alg = MU_ALG_ES256 };
    struct mu_directory_member self = { .id = mu_speech_id(in.number, 0xffff) };
    struct mu_sign_sender s = {
        .crypto = in.crypto, .signer = &signer, .id = self.id, .counter = 99,
    };
    struct mu_reader r = mu_reader(mu_bytes(like->bytes + 8 + 13, 4));
    uint8_t out[MU_PACKET_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    size_t len;

    assert_int_equal(in.crypto->keypair(in.crypto->ctx, signer.alg, &signer.priv,
                                        signer.pub, &len), 0);
    signer.pub_len = (uint8_t)len;
    assert_int_equal(mu_who_make(MU_BYTES(signer.pub), mu_bytes_str("gw-1"),
                                 &self), 0);
    s.who = mu_bytes(self.who, self.who_len);
    s.version = mu_read_u32(&r); /* that of the genuine one */
    assert_int_equal(mu_source_sign.seal(&s, 0, mu_bytes_str("all is well"), &w),
                     0);
    frame(like, self.id, 1, mu_written(&w));
}

/* ---- what came of it ------------------------------------------------------- */

/* Only what was said was heard, by each device once. */
static void nothing_else(struct lab *lab, const char *const said[])
{
    const json_t *line;
    size_t i;

    json_array_foreach(lab->dev->lines, i, line) {
        bool known = strcmp(real_text(line, "event"), "alert") != 0;

        for (size_t k = 0; said[k] != NULL && !known; k++)
            known = strcmp(real_text(line, "text"), said[k]) == 0;
        if (!known)
            fail_msg("heard: %s", real_text(line, "text"));
    }
    for (size_t k = 0; said[k] != NULL; k++)
        assert_int_equal(speech_times(lab, said[k]), SPEECH_DEVICES);
}

static void insider(struct lab *lab, const char *scheme)
{
    static const char *const said[] = {"water in the cellar", "17 degrees",
                                       "dry again", NULL};
    const json_t *counters;

    uint64_t begun = lab_now();

    speech_area(lab, scheme);
    if (scheme[0] != 'b' && scheme[0] != 'm' && scheme[0] != 'c')
        speech_followed(lab, 2);
    insider_open(lab);
    speech_say(lab, "gateway", said[0]);
    overhear(900);
    speech_heard(lab, "gw-1", scheme, said[0]);
    attack();
    speech_say(lab, "devices/dev-1", said[1]);
    overhear(900);
    speech_heard(lab, "dev-1", scheme, said[1]);
    for (unsigned i = 0; i < 10; i++) {
        attack();
        if (in.air[0].bytes[8] == MU_SOURCE_SIGNED)
            impostor(&in.air[0]);
        overhear(100);
    }
    overhear(1500); /* what a false run made them wait for is over */
    speech_say(lab, "gateway", said[2]);
    speech_heard(lab, "gw-1", scheme, said[2]);
    insider_close();
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    nothing_else(lab, said);
    /* No more work than there may be: 20 signatures a second. */
    counters = json_object_get(speech_told(lab->dev, "{'event': 'counters', "
                                                     "'id': 'dev-2'}"),
                               "speech");
    assert_true(real_number(counters, "signatures") <=
                (long long)((lab_now() - begun) / 1000 + 2) * 20);
    assert_true(real_number(counters, "taken") == 3);
}

static void test_insider_bloom(void **state)
{
    insider(*state, "bloom");
}

static void test_insider_utesla(void **state)
{
    insider(*state, "utesla");
}

static void test_insider_tesla(void **state)
{
    insider(*state, "tesla");
}

static void test_insider_chain(void **state)
{
    insider(*state, "chain");
}

/* One that is out still has its key, the area's, and the directory's number. */
static void test_revoked(void **state)
{
    static const char *const said[] = {"before", "of the gateway", NULL};
    struct lab *lab = *state;
    struct mu_speech_told told = { .id = 0 };
    struct mu_speaker_conf conf = {
        .scheme = MU_SPEECH_BLOOM, .copies = 1, .answers = 1,
        .identity = mu_bytes_str("dev-1"),
    };
    uint8_t record[MU_STORE_VALUE_MAX], packet[MU_PACKET_MAX];
    struct mu_speaker *s = calloc(1, sizeof(*s));
    struct mu_reader version;
    size_t len;

    speech_area(lab, "bloom");
    insider_open(lab);
    speech_say(lab, "devices/dev-1", said[0]);
    speech_heard(lab, "dev-1", "bloom", said[0]);
    assert_int_equal(lab_verb(lab, NULL, "speaker", "remove", "dev-1", NULL), 0);
    lab->dev->seen = lab->dev->lines == NULL ? 0 : json_array_size(lab->dev->lines);
    assert_non_null(lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-1', "
                                       "'may_speak': false}"));
    in.len = 0;
    speech_say(lab, "gateway", said[1]); /* by which he learns the version */
    overhear(600);
    speech_heard(lab, "gw-1", "bloom", said[1]);
    len = record_of(lab, "devices/dev-1", "speak", record);
    conf.crypto = in.crypto;
    assert_int_equal(mu_speaker_init(s, &conf, mu_bytes(record, len), NULL, 0,
                                     0), 0);
    told.id = mu_speech_id(in.number, 0);
    assert_true(in.len > 0);
    version = mu_reader(mu_bytes(in.air[0].bytes + 8 + 13, 4));
    mu_speaker_told(s, &told, mu_read_u32(&version));
    assert_int_equal(mu_speaker_say(s, 0, mu_bytes_str("I am still here")), 0);
    s->dirty = false;
    /* What he had said is due again before what he says now. */
    while ((len = mu_speaker_next(s, 0, packet)) > 0)
        for (unsigned i = 0; i < 20; i++)
            frame(&in.air[0], told.id, s->run, mu_bytes(packet, len));
    overhear(500);
    mu_speaker_clear(s);
    free(s);
    insider_close();
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    nothing_else(lab, said);
}

/* The gateway dies as soon as it has taken an alert; the devices die, and what
 * was on the air comes again. */
static void test_killed(void **state)
{
    static const char *const said[] = {"water in the cellar", "after all", NULL};
    struct lab *lab = *state;

    speech_area(lab, "utesla");
    speech_followed(lab, 2);
    insider_open(lab);
    speech_say(lab, "gateway", said[0]);
    lab_end(lab->gw, SIGKILL);
    speech_gateway(lab, "utesla");
    speech_heard(lab, "gw-1", "utesla", said[0]);
    overhear(1500);
    attack();
    lab_end(lab->dev, SIGKILL);
    assert_int_equal(speech_times(lab, said[0]), SPEECH_DEVICES);
    speech_devices(lab, "utesla");
    speech_followed(lab, 2);
    attack();
    speech_say(lab, "gateway", said[1]);
    speech_heard(lab, "gw-1", "utesla", said[1]);
    insider_close();
    /* What they heard before they died they do not hear again. */
    assert_int_equal(speech_times(lab, said[0]), 0);
}

/* The server is put back as it was before the last speaker came: nobody is locked
 * out, for its directories are of a later epoch. */
static void test_old_copy(void **state)
{
    struct lab *lab = *state;
    char command[300];

    speech_area(lab, "bloom");
    lab_end(lab->serve, SIGTERM);
    snprintf(command, sizeof(command), "cp -a %s/server %s/copy", lab->dir,
             lab->dir);
    assert_int_equal(system(command), 0);
    lab_serve(lab, NULL);
    assert_int_equal(lab_verb(lab, NULL, "speaker", "add", "dev-2", NULL), 0);
    speech_told(lab->dev, "{'event': 'status', 'id': 'dev-2', 'may_speak': "
                          "true}");
    lab_end(lab->serve, SIGKILL);
    snprintf(command, sizeof(command), "rm -rf %s/server && mv %s/copy "
             "%s/server", lab->dir, lab->dir, lab->dir);
    assert_int_equal(system(command), 0);
    lab->dev->seen = json_array_size(lab->dev->lines);
    lab_serve(lab, NULL);
    assert_non_null(lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-2', "
                                       "'may_speak': false}"));
    speech_say(lab, "devices/dev-1", "17 degrees");
    speech_heard(lab, "dev-1", "bloom", "17 degrees");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_insider_bloom), REAL_TEST(test_insider_utesla),
        REAL_TEST(test_insider_tesla), REAL_TEST(test_insider_chain),
        REAL_TEST(test_revoked), REAL_TEST(test_killed),
        REAL_TEST(test_old_copy),
    };
    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
