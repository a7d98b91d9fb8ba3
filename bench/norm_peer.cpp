// SPDX-License-Identifier: Apache-2.0
//
// One file over NORM (libnorm): the rival of `./run bench cast` that has
// erasure coding. Debian ships the library without a program, and its header is
// C++ only, hence this one. No encryption, no authentication: NORM has none.
//
//     norm_peer send FILE GROUP PORT IFACE RECEIVERS RATE SEGMENT BLOCK PARITY
//     norm_peer recv DIR GROUP PORT IFACE NODE
//
// send ends with 0 when every receiver (nodes 100, 101, ...) has acknowledged
// the file. recv writes DIR/file and runs until it is killed. Both are bounded
// in time by their caller.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <normApi.h>
#include <unistd.h>

static const unsigned FIRST_NODE = 100;
static const unsigned SOCKET_BYTES = 4u << 20;

static int send_file(NormInstanceHandle instance, NormSessionHandle session,
                     char **arg)
{
    unsigned receivers = (unsigned)atoi(arg[6]);
    NormObjectHandle file;
    NormEvent event;

    // The estimate of the round trip is what 32 processes on two cores need;
    // from then on NORM measures it itself.
    NormSetGrttEstimate(session, 0.05);
    NormSetGroupSize(session, receivers < 10 ? 10 : receivers);
    NormSetTxRate(session, atof(arg[7]) * 1000);
    NormSetTxRobustFactor(session, 20);
    for (unsigned i = 0; i < receivers; i++)
        NormAddAckingNode(session, FIRST_NODE + i);
    NormSetTxCacheBounds(session, 64 << 20, 1, 1024);
    if (!NormStartSender(session, (NormSessionId)getpid(), 8 << 20,
                         (UINT16)atoi(arg[8]), (UINT16)atoi(arg[9]),
                         (UINT16)atoi(arg[10])))
        return 1;
    NormSetTxSocketBuffer(session, SOCKET_BYTES);
    file = NormFileEnqueue(session, arg[2], "file", 4);
    if (file == NORM_OBJECT_INVALID)
        return 1;
    NormSetWatermark(session, file);
    while (NormGetNextEvent(instance, &event)) {
        if (event.type != NORM_TX_WATERMARK_COMPLETED)
            continue;
        if (NormGetAckingStatus(session) == NORM_ACK_SUCCESS)
            return 0;
        NormResetWatermark(session); // somebody is late: ask again
    }
    return 1;
}

static int receive_file(NormInstanceHandle instance,
                        NormSessionHandle session, char **arg)
{
    std::string name = std::string(arg[2]) + "/file";
    NormEvent event;

    NormSetCacheDirectory(instance, arg[2]);
    NormSetRxCacheLimit(session, 4096);
    if (!NormStartReceiver(session, 64 << 20))
        return 1;
    NormSetRxSocketBuffer(session, SOCKET_BYTES);
    puts("{\"listen\":\"yes\"}");
    fflush(stdout);
    while (NormGetNextEvent(instance, &event)) {
        if (event.type == NORM_RX_OBJECT_INFO)
            NormFileRename(event.object, name.c_str());
    }
    return 1;
}

int main(int count, char **arg)
{
    bool sender = count > 1 && strcmp(arg[1], "send") == 0;
    NormInstanceHandle instance;
    NormSessionHandle session;
    int rc;

    if (count != (sender ? 11 : 7)) {
        fprintf(stderr, "norm_peer: see the top of its source\n");
        return 2;
    }
    instance = NormCreateInstance();
    session = NormCreateSession(instance, arg[3], (UINT16)atoi(arg[4]),
                                sender ? 1 : (NormNodeId)atoi(arg[6]));
    if (session == NORM_SESSION_INVALID)
        return 1;
    NormSetMulticastInterface(session, arg[5]);
    NormSetRxPortReuse(session, true);
    rc = sender ? send_file(instance, session, arg)
                : receive_file(instance, session, arg);
    NormDestroySession(session);
    NormDestroyInstance(instance);
    return rc;
}
