/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a journal. The question of every damaged place is: was this ever
 * durable? In the snapshot, and before a group that is whole, it was, since
 * the file only grows behind what is durable. Then it is damage: told, and the
 * records around it are used. After the last whole group it was not: a power
 * cut tore it, nobody was told that it is stored, and it is cut off.
 */
#include "store/journal_form.h"
#include "store/table.h"

struct loader {
    struct mu_bytes file;
    struct store_table *table;
    struct journal_load *out;
};

static struct mu_bytes loader_from(const struct loader *l, size_t at)
{
    return mu_bytes(l->file.data + at, l->file.len - at);
}

/* The first place in at..end where a record begins, or end. */
static size_t loader_scan(const struct loader *l, size_t at, size_t end,
                          struct journal_record *rec)
{
    for (; at < end; at++) {
        if (journal_read(loader_from(l, at), l->out->header.salt, rec) &&
            rec->len <= end - at)
            break;
    }
    return at;
}

static int loader_apply(struct loader *l, const struct journal_record *rec)
{
    switch (rec->type) {
    case JOURNAL_PUT:
    case JOURNAL_DAMAGED:
        if (rec->damaged || rec->type == JOURNAL_DAMAGED)
            return store_table_mark(l->table, rec->table, rec->key);
        /* No bytes are a value too; no pointer would delete. */
        return store_table_put(
            l->table, rec->table, rec->key,
            rec->value.len != 0 ? rec->value
                                : mu_bytes((const uint8_t *)"", 0));
    case JOURNAL_DELETE:
        return store_table_put(l->table, rec->table, rec->key,
                               mu_bytes(NULL, 0));
    case JOURNAL_COMMIT:
    default:
        return 0;
    }
}

/* Uses every record in from..to, and counts the places where there is none. */
static int loader_use(struct loader *l, size_t from, size_t to)
{
    struct journal_record rec;
    int rc = 0;

    while (from < to && rc == 0) {
        size_t at = loader_scan(l, from, to, &rec);
        if (at != from)
            l->out->lost++;
        from = at;
        if (at < to) {
            rc = loader_apply(l, &rec);
            from += rec.len;
        }
    }
    if (rc == 0)
        store_table_commit(l->table);
    return rc;
}

static uint64_t commit_group(const struct journal_record *rec)
{
    struct mu_reader r = mu_reader(rec->value);

    return mu_read_u64(&r);
}

/* Whether from..to is records without damage, end to end. */
static bool loader_whole(const struct loader *l, size_t from, size_t to)
{
    struct journal_record rec;

    while (from < to) {
        if (!journal_read(loader_from(l, from), l->out->header.salt, &rec) ||
            rec.damaged || rec.type == JOURNAL_COMMIT || rec.len > to - from)
            return false;
        from += rec.len;
    }
    return true;
}

/* The groups behind the snapshot. */
static int loader_groups(struct loader *l, size_t at)
{
    size_t used = at; /* everything before was used */
    struct journal_record rec;
    int rc = 0;

    while (rc == 0) {
        at = loader_scan(l, at, l->file.len, &rec);
        if (at == l->file.len)
            break;
        if (rec.type == JOURNAL_COMMIT && !rec.damaged) {
            uint64_t group = commit_group(&rec);
            /* A whole group proves whatever lies between it and the last. */
            if (group <= at - used && loader_whole(l, at - (size_t)group, at)) {
                rc = loader_use(l, used, at + rec.len);
                used = at + rec.len;
            }
        }
        at += rec.len;
    }
    l->out->end = used;
    return rc;
}

int journal_load(struct mu_bytes file, struct store_table *t,
                 struct journal_load *out)
{
    struct loader l = {file, t, out};
    size_t snapshot_end;
    int rc;

    *out = (struct journal_load){0};
    rc = journal_read_header(file, &out->header);
    if (rc == 0 && file.len < JOURNAL_HEADER)
        rc = MU_ERR_CORRUPT;
    if (rc != 0)
        return rc;
    snapshot_end = file.len;
    if (out->header.snapshot_len <= file.len - JOURNAL_HEADER)
        snapshot_end = JOURNAL_HEADER + (size_t)out->header.snapshot_len;
    else
        out->cut = true;
    rc = loader_use(&l, JOURNAL_HEADER, snapshot_end);
    if (rc == 0)
        rc = loader_groups(&l, snapshot_end);
    if (out->cut)
        out->lost++;
    return rc;
}
