/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR and COSE as a tree, with the names of docs/wire-format.md s.2 to s.7. */
#include "cli/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/cast.h"
#include "muster/cbor.h"
#include "muster/cose.h"
#include "muster/keys.h"
#include "muster/limits.h"

/* ---- what the fields are ------------------------------------------------ */

enum show {
    SHOW_PLAIN,
    SHOW_KID,
    SHOW_KIDS,   /* array of them */
    SHOW_SECRET, /* a key in the clear: its length only */
    SHOW_OBJECT, /* an announce object inside */
    SHOW_CAPABILITY,
    SHOW_MODE,
    SHOW_GROUPS, /* [[number, mode], ...] */
    SHOW_COMMAND,
    SHOW_KEYS,   /* [[kid, key, seconds valid], ...] */
    SHOW_LISTED, /* [[index, identity, Khop], ...] */
    SHOW_HOPS,   /* [[index, connection, feedback key], ...] */
    SHOW_LISTENS, /* [period, window] and milliseconds to the next opening */
    SHOW_CAMPAIGNS,
    SHOW_STATE,
    SHOW_STATES, /* [[group, base, newest], ...] */
    SHOW_PIECE,  /* [group, total, offset, keys] */
    SHOW_MSKS,   /* [[kid, MIKEY message, seconds valid], ...] */
    SHOW_MIKEY,
    SHOW_INLINE, /* what an inline object carries */
};

struct field {
    const char *name;
    enum show show;
};

#define FIELDS_MAX 22

struct form {
    const char *path; /* NULL: of an object */
    bool answer;
    const char *title;
    struct field fields[FIELDS_MAX]; /* by key */
};

static const struct form capability_form = {
    NULL, false, "capabilities",
    {{NULL, 0}, {"largest object", 0}, {"page memory", 0}, {"algorithms", 0},
     {"receiver", 0}, {"memory for a state", 0}},
};

/* Of two for one path the first is taken that fits. */
static const struct form forms[] = {
    {"hello", false, "hello of a gateway",
     {{NULL, 0}, {"software", 0}, {"area version", 0},
      {"highest epoch seen", 0}, {"port of copies", 0}, {"page memory", 0}}},
    {"hello", false, "hello of a device",
     {{NULL, 0}, {"software", 0}, {"capabilities", SHOW_CAPABILITY},
      {"port of copies", 0}, {"listens", SHOW_LISTENS}}},
    {"hello", true, "welcome by the server",
     {{NULL, 0}, {"server", 0}, {"gateway number", 0}, {"Kw", SHOW_KID},
      {"Kw, the key", SHOW_SECRET}, {"cast address", 0}, {"cast port", 0},
      {"feedback port", 0}, {"server epoch", 0}, {"signing key", 0},
      {"signing algorithm", 0}, {"campaigns version", 0},
      {"wide-area index", 0}, {"directory", 0}, {"tick", 0}}},
    {"hello", true, "welcome by a gateway",
     {{NULL, 0}, {"gateway", 0}, {"area index", 0}, {"Kg", SHOW_KID},
      {"Kg, the key", SHOW_SECRET}, {"group address", 0}, {"group port", 0},
      {"feedback port", 0}, {"sessions", 0}, {"tick", 0},
      {"listens", SHOW_LISTENS}}},
    {"x", false, "key exchange",
     {{NULL, 0}, {"method", 0}, {"protocols", 0}, {"message", SHOW_MIKEY},
      {"certificate", 0}}},
    {"x", true, "key exchange", {{NULL, 0}, {"message", SHOW_MIKEY}}},
    {"hop", false, "feedback keys of key exchanges",
     {{NULL, 0}, {"keys", SHOW_HOPS}}},
    {"f", false, "feedback key in force", {{NULL, 0}, {"connection", 0}}},
    {"g", false, "area key",
     {{NULL, 0}, {NULL, 0}, {NULL, 0}, {"Kg", SHOW_KID},
      {"Kg, the key", SHOW_SECRET}, {"tick", 0}}},
    {"p", false, "fetch keys", {{NULL, 0}}},
    {"kb", false, "group key (option 2)",
     {{NULL, 0}, {"Kb", SHOW_KID}, {"Kb, wrapped", 0}}},
    {"v", false, "relay manifest vouched for",
     {{NULL, 0}, {"digest", 0}}},
    {"ann", false, "announce object wanted", {{NULL, 0}, {"session", 0}}},
    {"area", false, "area list wanted", {{NULL, 0}, {"first index", 0}}},
    {"area", true, "area list",
     {{NULL, 0}, {"area version", 0}, {"next index", 0},
      {"devices", SHOW_LISTED}}},
    {"camp", false, "campaigns wanted", {{NULL, 0}, {"after number", 0}}},
    {"camp", true, "campaigns",
     {{NULL, 0}, {"campaigns version", 0}, {"next", 0},
      {"campaigns", SHOW_CAMPAIGNS}}},
    {"camp/m", false, "campaign wanted",
     {{NULL, 0}, {"campaign", 0}, {"part", 0}}},
    {"camp/m", true, "campaign",
     {{NULL, 0}, {"announce object", SHOW_OBJECT}, {"announce tags", 0},
      {"mode", SHOW_MODE}, {"members", 0}, {"quorum", 0},
      {"seconds to the deadline", 0}, {"Kb", SHOW_KID},
      {"Kb, the key", SHOW_SECRET}, {"cancel", SHOW_OBJECT},
      {"parts", 0}}},
    {"r", false, "report",
     {{NULL, 0}, {"campaign", 0}, {"state", SHOW_STATE}, {"first index", 0},
      {"devices", 0}, {"acknowledgements", 0}, {"reason", 0},
      {"shift", 0}}},
    {"r", true, "report", {{NULL, 0}, {"not proved", 0}}},
    {"t", false, "tally", {{NULL, 0}, {"campaign", 0}, {"counts", 0}}},
    {"n", false, "something changed",
     {{NULL, 0}, {"area version", 0}, {"campaigns version", 0},
      {"Kw", SHOW_KID}, {"Kw, the key", SHOW_SECRET}, {"directory", 0},
      {"tick", 0}}},
    {"say", false, "packet of a speaker",
     {{NULL, 0}, {"run", 0}, {"packet", 0}}},
    {"who", false, "introduction wanted",
     {{NULL, 0}, {"speaker", 0}, {"nonce", 0}, {"place", 0}}},
    {"who", true, "introduction",
     {{NULL, 0}, {"speaker", 0}, {"scheme", 0}, {"run", 0}, {"who", 0},
      {"index", 0}, {"path", 0}, {"start", SHOW_OBJECT}, {"packets", 0}}},
    {"dir", false, "directory of speakers, or what is held of it",
     {{NULL, 0}, {"directory or version", 0}, {"speaker or scheme", 0},
      {"index or key", 0}, {"path", 0}}},
    {"dir", true, "directory of speakers",
     {{NULL, 0}, {"version", 0}, {"directory", SHOW_OBJECT},
      {"speakers", 0}}},
    {"poke", false, "devices to poke", {{NULL, 0}, {"devices", 0}}},
    {"k", false, "key fetch",
     {{NULL, 0}, {"Kb held", SHOW_KIDS}, {"states held", SHOW_STATES},
      {"state in pieces", 0}, {"speaker: scheme, key", 0}}},
    {"k", true, "keys",
     {{NULL, 0}, {"keys", SHOW_KEYS}, {"groups", SHOW_GROUPS},
      {"server epoch", 0}, {"piece of a state", SHOW_PIECE},
      {"MSK messages", SHOW_MSKS}}},
};
#define FORMS (sizeof forms / sizeof *forms)

/* Payloads of COSE objects (s.5.1, s.5.2, s.3). */
static const struct form manifest_form = {
    NULL, false, "manifest",
    {{"kind", 0}, {"campaign", 0}, {"group", 0}, {"version", 0}, {"size", 0},
     {"digest", 0}, {"shape", 0}, {"roots", 0}, {"session", 0},
     {"kid", SHOW_KID}, {"content key, wrapped", 0}, {"name", 0},
     {"Kb is to be had", 0}, {"server epoch", 0}, {"downgrade", 0},
     {"edition", 0}, {"may be re-protected", 0}, {"part", 0}, {"parts", 0},
     {"kind of content", 0}, {"content", SHOW_INLINE},
     {"seconds an acknowledgement may wait", 0}},
};
static const struct form relay_form = {
    NULL, false, "relay manifest",
    {{NULL, 0}, {"manifest as signed", SHOW_OBJECT}, {NULL, 0}, {NULL, 0},
     {NULL, 0}, {NULL, 0}, {"shape", 0}, {"roots", 0}, {"session", 0},
     {"kid", SHOW_KID}, {"content key, wrapped", 0}},
};
static const struct form connect1_form = {
    NULL, false, "connect message 1",
    {{NULL, 0}, {"nonce of the node", 0}, {"highest epoch seen", 0},
     {"capabilities", SHOW_CAPABILITY}, {"gateway", 0}},
};

/* ---- CBOR ---------------------------------------------------------------- */

bool decode_is_cbor(struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);

    if (in.len == 0)
        return false;
    mu_cbor_skip(&r);
    return mu_reader_end(&r) == 0;
}

static json_t *cbor_item(struct mu_reader *r, int depth);

/* -1 - n, which may have 65 bits. */
static json_t *cbor_negative(uint64_t n)
{
    if (n <= INT64_MAX)
        return json_integer(-1 - (json_int_t)n);
    if (n == UINT64_MAX)
        return json_string("-18446744073709551616");
    return json_sprintf("-%" PRIu64, n + 1);
}

static json_t *cbor_array(struct mu_reader *r, int depth)
{
    size_t n = mu_cbor_get_array(r);
    json_t *v = json_array();

    for (size_t i = 0; i < n && !r->failed; i++)
        json_array_append_new(v, cbor_item(r, depth + 1));
    return v;
}

/* Keys of any type, as their text. */
static json_t *cbor_map(struct mu_reader *r, int depth)
{
    struct mu_cbor_map m = mu_cbor_get_map(r);
    struct mu_bytes key;
    json_t *v = json_object();

    while (mu_cbor_map_next_any(r, &m, &key)) {
        struct mu_reader k = mu_reader(key);
        json_t *name = cbor_item(&k, depth + 1);
        char *text = json_is_string(name) ? strdup(json_string_value(name))
                                          : json_dumps(name, JSON_ENCODE_ANY);

        if (text == NULL)
            abort();
        decode_put(v, text, cbor_item(r, depth + 1));
        free(text);
        json_decref(name);
    }
    return v;
}

static json_t *cbor_item(struct mu_reader *r, int depth)
{
    json_t *tagged;

    if (depth > MU_CBOR_DEPTH_MAX)
        mu_reader_fail(r);
    switch (r->failed ? MU_CBOR_NONE : mu_cbor_peek(r)) {
    case MU_CBOR_UINT:
        return decode_number(mu_cbor_get_uint(r));
    case MU_CBOR_NINT:
        return cbor_negative(mu_cbor_get_nint(r));
    case MU_CBOR_BSTR:
        return decode_hex(mu_cbor_get_bstr(r));
    case MU_CBOR_TSTR:
        return decode_text(mu_cbor_get_tstr(r));
    case MU_CBOR_ARRAY:
        return cbor_array(r, depth);
    case MU_CBOR_MAP:
        return cbor_map(r, depth);
    case MU_CBOR_TAG:
        tagged = json_object();
        decode_put(tagged, "tag", decode_number(mu_cbor_get_tag(r)));
        decode_put(tagged, "value", cbor_item(r, depth + 1));
        return tagged;
    case MU_CBOR_BOOL:
        return json_boolean(mu_cbor_get_bool(r));
    case MU_CBOR_NULL:
        mu_cbor_get_null(r);
        return json_null();
    default:
        mu_reader_fail(r);
        return json_null();
    }
}

/* ---- fields --------------------------------------------------------------- */

static json_t *form_map(struct mu_reader *r, const struct form *form);

static json_t *show_mode(uint64_t mode)
{
    static const char *const names[] = {"end to end", "option 1", "option 2"};

    return mode < 3 ? json_string(names[mode]) : decode_number(mode);
}

static json_t *show_command(uint64_t command)
{
    static const char *const names[] = {"none", "run", "pause", "cancel"};

    return command < 4 ? json_string(names[command]) : decode_number(command);
}

static json_t *show_state(uint64_t state)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } bits[] = {
        {MU_STATE_RECEIVED, "received"}, {MU_STATE_VERIFIED, "verified"},
        {MU_STATE_INSTALLED, "installed"}, {MU_STATE_RUNNING, "running"},
        {MU_STATE_FAILED, "failed"},
    };
    json_t *v = json_array();

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        if ((state & bits[i].bit) != 0)
            json_array_append_new(v, json_string(bits[i].name));
    }
    return v;
}

static json_t *show_mikey(struct mu_bytes in)
{
    json_t *v = decode_mikey(in);

    return v != NULL ? v : decode_hex(in);
}

/* One column of a row. */
static json_t *show_column(struct mu_reader *r, enum show show)
{
    enum mu_cbor_type type = mu_cbor_peek(r);

    if (show == SHOW_KID && type == MU_CBOR_BSTR)
        return decode_kid(mu_cbor_get_bstr(r));
    if (show == SHOW_SECRET && type == MU_CBOR_BSTR)
        return decode_secret(mu_cbor_get_bstr(r));
    if (show == SHOW_MODE && type == MU_CBOR_UINT)
        return show_mode(mu_cbor_get_uint(r));
    if (show == SHOW_MIKEY && type == MU_CBOR_BSTR)
        return show_mikey(mu_cbor_get_bstr(r));
    if (show == SHOW_COMMAND && type == MU_CBOR_UINT)
        return show_command(mu_cbor_get_uint(r));
    return cbor_item(r, 0);
}

/* An array, each place by its name. */
static json_t *show_row(struct mu_reader *r, const struct field *columns,
                        size_t columns_len)
{
    size_t width = mu_cbor_get_array(r);
    json_t *row = json_object();

    for (size_t k = 0; k < width && !r->failed; k++) {
        char name[24] = "";
        bool named = k < columns_len;

        if (!named)
            snprintf(name, sizeof name, "%zu", k);
        decode_put(row, named ? columns[k].name : name,
                   show_column(r, named ? columns[k].show : SHOW_PLAIN));
    }
    return row;
}

static json_t *show_rows(struct mu_reader *r, const struct field *columns,
                         size_t columns_len)
{
    json_t *rows = json_array();
    size_t n = mu_cbor_get_array(r);

    for (size_t i = 0; i < n && !r->failed; i++)
        json_array_append_new(rows, show_row(r, columns, columns_len));
    return rows;
}

static json_t *show_kids(struct mu_reader *r)
{
    json_t *v = json_array();
    size_t n = mu_cbor_get_array(r);

    for (size_t i = 0; i < n && !r->failed; i++)
        json_array_append_new(v, show_column(r, SHOW_KID));
    return v;
}

static json_t *show_table(struct mu_reader *r, enum show show)
{
    static const struct field keys[] = {
        {"kid", SHOW_KID}, {"key", SHOW_SECRET}, {"seconds valid", 0}};
    static const struct field groups[] = {{"number", 0}, {"mode", SHOW_MODE}};
    static const struct field listed[] = {
        {"index", 0}, {"identity", 0}, {"Khop", SHOW_SECRET}};
    static const struct field campaigns[] = {
        {"campaign", 0}, {"number", 0}, {"command", SHOW_COMMAND},
        {"session", 0}};

    static const struct field hops[] = {
        {"index", 0}, {"connection", 0}, {"Kfb", SHOW_SECRET}};
    static const struct field listens[] = {
        {"period, s", 0}, {"window, s", 0}, {"opens in, ms", 0}};
    static const struct field states[] = {
        {"group", 0}, {"base", 0}, {"newest", 0}};
    static const struct field piece[] = {
        {"group", 0}, {"bytes in all", 0}, {"offset", 0},
        {"keys", SHOW_SECRET}};
    static const struct field msks[] = {
        {"kid", SHOW_KID}, {"message", SHOW_MIKEY}, {"seconds valid", 0}};

    switch (show) {
    case SHOW_STATES:
        return show_rows(r, states, 3);
    case SHOW_PIECE:
        return show_row(r, piece, 4);
    case SHOW_MSKS:
        return show_rows(r, msks, 3);
    case SHOW_KEYS:
        return show_rows(r, keys, 3);
    case SHOW_GROUPS:
        return show_rows(r, groups, 2);
    case SHOW_LISTED:
        return show_rows(r, listed, 3);
    case SHOW_HOPS:
        return show_rows(r, hops, 3);
    case SHOW_LISTENS:
        return show_row(r, listens, 3);
    default:
        return show_rows(r, campaigns, 4);
    }
}

/* Signed by the server: there is no object in it again, and so on without end. */
static json_t *show_object(struct mu_bytes in)
{
    struct mu_cose m;

    return mu_cose_decode(in, &m) == 0 && m.kind == MU_COSE_SIGN1
               ? decode_object(in, NULL, false) : decode_hex(in);
}

static json_t *show_inline(struct mu_bytes in)
{
    json_t *v = decode_rekey(in);

    if (v == NULL)
        v = decode_command(in);
    return v != NULL ? v : decode_hex(in);
}

static json_t *show_field(struct mu_reader *r, enum show show)
{
    enum mu_cbor_type type = mu_cbor_peek(r);

    switch (show) {
    case SHOW_OBJECT:
        return type == MU_CBOR_BSTR ? show_object(mu_cbor_get_bstr(r))
                                    : cbor_item(r, 0);
    case SHOW_INLINE:
        return type == MU_CBOR_BSTR ? show_inline(mu_cbor_get_bstr(r))
                                    : cbor_item(r, 0);
    case SHOW_CAPABILITY:
        return type == MU_CBOR_MAP ? form_map(r, &capability_form)
                                   : cbor_item(r, 0);
    case SHOW_STATE:
        return type == MU_CBOR_UINT ? show_state(mu_cbor_get_uint(r))
                                    : cbor_item(r, 0);
    case SHOW_KIDS:
        return type == MU_CBOR_ARRAY ? show_kids(r) : cbor_item(r, 0);
    case SHOW_STATES:
    case SHOW_PIECE:
    case SHOW_MSKS:
    case SHOW_KEYS:
    case SHOW_GROUPS:
    case SHOW_LISTED:
    case SHOW_HOPS:
    case SHOW_LISTENS:
    case SHOW_CAMPAIGNS:
        return type == MU_CBOR_ARRAY ? show_table(r, show) : cbor_item(r, 0);
    default:
        return show_column(r, show);
    }
}

static json_t *form_map(struct mu_reader *r, const struct form *form)
{
    struct mu_cbor_map m = mu_cbor_get_map(r);
    json_t *v = json_object();
    int64_t key;

    while (mu_cbor_map_next(r, &m, &key)) {
        const struct field *f = key >= 0 && key < FIELDS_MAX
                                    ? &form->fields[key] : NULL;
        char name[32];

        snprintf(name, sizeof name, "field %" PRId64, key);
        decode_put(v, f != NULL && f->name != NULL ? f->name : name,
                   show_field(r, f != NULL ? f->show : SHOW_PLAIN));
    }
    return v;
}

/* ---- which form ------------------------------------------------------------ */

bool decode_path_known(struct mu_bytes path)
{
    if (path.len > 2 && path.data[0] == 'd' && path.data[1] == '/')
        return true;
    if (mu_bytes_eq(path, mu_bytes_str("c")))
        return true;
    for (size_t i = 0; i < FORMS; i++) {
        if (mu_bytes_eq(path, mu_bytes_str(forms[i].path)))
            return true;
    }
    return false;
}

/* Could the value be that of this field? */
static bool field_fits(const struct mu_reader *r, const struct field *f)
{
    struct mu_reader look = *r;
    enum mu_cbor_type type = mu_cbor_peek(r);
    const struct mu_key_info *info;
    struct mu_bytes kid;

    if (f->show == SHOW_CAPABILITY)
        return type == MU_CBOR_MAP;
    if (f->show == SHOW_PLAIN)
        return type != MU_CBOR_MAP;
    if (f->show != SHOW_KID)
        return true;
    kid = mu_cbor_get_bstr(&look);
    info = kid.len == MU_KID_LEN
               ? mu_key_info((enum mu_key_kind)kid.data[0]) : NULL;
    return info != NULL && strcmp(info->name, f->name) == 0;
}

static bool form_fits(struct mu_bytes in, const struct form *form)
{
    struct mu_reader r = mu_reader(in);
    struct mu_cbor_map m = mu_cbor_get_map(&r);
    int64_t key;

    while (mu_cbor_map_next(&r, &m, &key)) {
        if (key >= 0 && key < FIELDS_MAX && form->fields[key].name != NULL &&
            !field_fits(&r, &form->fields[key]))
            return false;
        mu_cbor_skip(&r);
    }
    return mu_reader_end(&r) == 0;
}

static const struct form *form_of(struct mu_bytes in, const char *path,
                                  bool answer)
{
    for (size_t i = 0; path != NULL && i < FORMS; i++) {
        if (strcmp(forms[i].path, path) == 0 && forms[i].answer == answer &&
            form_fits(in, &forms[i]))
            return &forms[i];
    }
    return NULL;
}

json_t *decode_cbor(struct mu_bytes in, const char *path, bool answer)
{
    const struct form *form = form_of(in, path, answer);
    struct mu_reader r = mu_reader(in);
    json_t *v = decode_new(form != NULL ? form->title : "CBOR", in.len);

    decode_put(v, "content",
               form != NULL ? form_map(&r, form) : cbor_item(&r, 0));
    return v;
}

/* ---- COSE ------------------------------------------------------------------- */

/* The kind of a signed object: field 0 of its payload; -1: there is none. */
static int64_t signed_kind(struct mu_bytes payload)
{
    struct mu_reader r = mu_reader(payload);
    struct mu_cbor_map m = mu_cbor_get_map(&r);
    int64_t key;

    if (!mu_cbor_map_next(&r, &m, &key) || key != 0 ||
        mu_cbor_peek(&r) != MU_CBOR_UINT)
        return -1;
    key = (int64_t)(mu_cbor_get_uint(&r) & INT64_MAX);
    return r.failed ? -1 : key;
}

/* Message 1 of connect and the relay manifest are both COSE_Mac0; the key id
 * of the one is an identity, of the other a kid. */
static const struct form *cose_form(const struct mu_cose *m, const char **title)
{
    int64_t kind = signed_kind(m->content);

    if (m->kind == MU_COSE_ENCRYPT0) {
        *title = "connect message 2";
        return NULL;
    }
    if (m->kind == MU_COSE_MAC0) {
        const struct form *f =
            m->kid.len == MU_KID_LEN && m->kid.data[0] == MU_KEY_KG
                ? &relay_form : &connect1_form;

        *title = f->title;
        return f;
    }
    *title = kind == 1   ? "manifest"
             : kind == 2 ? "cancel"
             : kind == 3 ? "inline object"
                         : "signed object";
    return kind > 0 ? &manifest_form : NULL;
}

static json_t *cose_kid(const struct mu_cose *m)
{
    if (m->kind == MU_COSE_MAC0 && m->kid.len != MU_KID_LEN)
        return decode_text(m->kid); /* an identity */
    return m->kind == MU_COSE_MAC0 ? decode_kid(m->kid) : decode_hex(m->kid);
}

static json_t *decode_cose(struct mu_bytes in, const struct mu_cose *m)
{
    static const char *const kinds[] = {
        [MU_COSE_SIGN1] = "COSE_Sign1", [MU_COSE_MAC0] = "COSE_Mac0",
        [MU_COSE_ENCRYPT0] = "COSE_Encrypt0"};
    const char *title;
    const struct form *form = cose_form(m, &title);
    json_t *v = decode_new(title, in.len);
    struct mu_reader r = mu_reader(m->content);

    decode_put(v, "form", json_string(kinds[m->kind]));
    decode_put(v, "algorithm", json_integer((json_int_t)m->alg));
    if (m->kid.len > 0)
        decode_put(v, "kid", cose_kid(m));
    if (m->kind == MU_COSE_ENCRYPT0)
        decode_put(v, "ciphertext", decode_hex(m->content));
    else if (decode_is_cbor(m->content) && mu_cbor_peek(&r) == MU_CBOR_MAP)
        decode_put(v, "content", form != NULL ? form_map(&r, form)
                                              : cbor_item(&r, 0));
    else
        decode_put(v, "content", decode_hex(m->content));
    if (m->kind != MU_COSE_ENCRYPT0)
        decode_put(v, m->kind == MU_COSE_SIGN1 ? "signature" : "tag",
                   decode_hex(m->proof));
    return v;
}

json_t *decode_object(struct mu_bytes in, const char *path, bool answer)
{
    struct mu_cose m;

    if (mu_cose_decode(in, &m) == 0)
        return decode_cose(in, &m);
    return decode_is_cbor(in) ? decode_cbor(in, path, answer)
                              : decode_hex(in);
}
