/* SPDX-License-Identifier: Apache-2.0 */
/* Every bound of the core, with its reason. */
#ifndef MUSTER_LIMITS_H
#define MUSTER_LIMITS_H

#define MU_ID_MAX 64         /* bytes of an identity: psk_identity of the field */
#define MU_NAME_MAX 32       /* bytes of an object name in a manifest */
#define MU_CAMPAIGN_ID 8     /* bytes: random, a collision takes 2^32 campaigns */
#define MU_KID_LEN 13        /* bytes: kind 1, scope 4, generation 8 */
#define MU_DEVICE_GROUPS_MAX 8  /* groups of one device: bounds its key table */
#define MU_DEVICE_KEYS_MAX 16   /* two generations (active, retired) per group */
#define MU_MESSAGE_MAX 1152  /* bytes of a CoAP payload: fits 1,280 with DTLS and headers */
/* bytes of an end-to-end message that a gateway passes on: a key exchange with
 * a certificate and OSCORE around it; others fit MU_MESSAGE_MAX */
#define MU_FORWARD_MAX 3072
#define MU_PACKET_MAX 1472   /* bytes of a cast packet: UDP payload on Ethernet */
#define MU_PAYLOAD_MIN 48    /* bytes: below that a DATA packet carries no useful symbol */
#define MU_PAGE_DATA_MAX 512 /* data packets of a page: as NEED names them in 64 bytes */
#define MU_PAGE_PARITY_MAX 511 /* its parity packets */
#define MU_PAGE_PACKETS_MAX 1023 /* both: the number of a packet has ten bits */
#define MU_PAGE_BYTES_MAX 375360 /* payloads of a page: 255 of the largest packets */
#define MU_PAGES_MAX 65535   /* the page number has two bytes */
#define MU_HASH_MIN 4        /* bytes: 2^-32 a try is the least anybody should accept */
#define MU_HASH_MAX 32
/* bytes of an announce object: relay manifest with 624 bytes of roots twice */
#define MU_ANNOUNCE_MAX 1792
#define MU_FRAGMENTS_MAX 56  /* MU_ANNOUNCE_MAX at the smallest payload */
#define MU_AREA_DEVICES_MAX 4096 /* devices behind one gateway: bounds its tables */
#define MU_LISTEN_PERIOD_MAX 86400u /* s from a listening window to the next */
#define MU_SESSIONS_MAX 4    /* campaigns in progress in one area at once */
#define MU_TAG_LEN 8         /* bytes: tags of cast control and feedback packets */
#define MU_DELUGE_PEERS_MAX 16 /* neighbours of one multihop node that it keeps apart */
#define MU_ACK_LEN 8         /* bytes of an acknowledgement */
#define MU_ACK_WAIT_S 26     /* seconds that one may wait to ride on a keep-alive */
#define MU_ACK_RIDE_OVER 64  /* unless told, they do so in groups of more members */
#define MU_ACK_STRING_MAX 1024 /* bytes of many in a report: below MU_MESSAGE_MAX */
#define MU_ADDR_TEXT_MAX 64  /* characters of an address in text */

#endif
