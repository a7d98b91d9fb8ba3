/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of a journal file.
 *
 *   header    twice: "mustjrnl" | version (4) | salt (4) | snapshot length (8)
 *             | CRC (4)
 *   snapshot  records, durable before the file had its name
 *   commits   records, each group ended by a COMMIT
 *   record    type (1) | table (1) | key length (1) | version (1) |
 *             value length (4) | CRC of the 8 bytes and the key (4) |
 *             CRC of the value (4) | key | value
 *
 * Two checksums: with the first one whole, damage in the value still tells
 * whose value it was. COMMIT has no key and the value: bytes of its group
 * before it (8). Integers are big endian. The checksums of records begin with
 * the salt, which is random: nobody who gets his bytes into a value can make
 * them look like records of this file.
 */
#ifndef STORE_JOURNAL_FORM_H
#define STORE_JOURNAL_FORM_H

#include "store/file.h"

#define JOURNAL_MAGIC "mustjrnl"
#define JOURNAL_VERSION 1
#define JOURNAL_HEADER_COPY 28 /* bytes */
#define JOURNAL_HEADER (2 * JOURNAL_HEADER_COPY)
#define JOURNAL_HEAD 16        /* bytes of a record before its key */
#define JOURNAL_COMMIT_LEN 24  /* bytes of a whole COMMIT */

enum journal_type {
    JOURNAL_PUT = 1,
    JOURNAL_DELETE = 2,
    JOURNAL_COMMIT = 3,
    JOURNAL_DAMAGED = 4, /* the record is known to be damaged: no value */
};

struct journal_record {
    enum journal_type type;
    uint8_t table;
    struct mu_bytes key;
    struct mu_bytes value; /* empty when damaged */
    bool damaged;          /* its value: the checksum is wrong */
    size_t len;            /* bytes of the whole */
};

struct journal_header {
    uint32_t salt;
    uint64_t snapshot_len; /* bytes */
};

void journal_write_header(struct mu_writer *w, const struct journal_header *h);
/* MU_ERR_CORRUPT: neither copy is whole; MU_ERR_UNSUPPORTED: made later. */
MU_MUST int journal_read_header(struct mu_bytes file,
                                struct journal_header *h);
void journal_write(struct mu_writer *w, uint32_t salt, enum journal_type type,
                   uint8_t table, struct mu_bytes key, struct mu_bytes value);
void journal_write_commit(struct mu_writer *w, uint32_t salt,
                          uint64_t group_len);
/* The record that begins there; false when none does that can be told. */
bool journal_read(struct mu_bytes at, uint32_t salt,
                  struct journal_record *out);

/* What loading a file gives beside the records. */
struct journal_load {
    struct journal_header header;
    uint64_t end;  /* of what is good: writing goes on there */
    uint64_t lost; /* damaged places whose key cannot be told */
    bool cut;      /* the file is shorter than it was when it got its name */
};

struct store_table;

/* Reads a whole file into the table. MU_ERR_CORRUPT: it is no journal,
 * MU_ERR_UNSUPPORTED: one of a later version; MU_ERR_IO: no memory. */
MU_MUST int journal_load(struct mu_bytes file, struct store_table *t,
                         struct journal_load *out);

#endif
