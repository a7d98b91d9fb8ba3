/* SPDX-License-Identifier: Apache-2.0 */
/* muster alert: has a running gateway or device speak to its area. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/verbs.h"
#include "muster/speech_msg.h"

#define ALERT_WAIT 10 /* s for the answer */
#define ALERT_ROOM 4096

static const char ALERT_HELP[] =
    "muster alert - have a running gateway or device say something\n"
    "\n"
    "usage: muster alert TEXT... --control SOCKET\n"
    "       muster alert - --control SOCKET    a message a line\n"
    "\n"
    "Every device of the area that listens hears each TEXT (256 bytes at most)\n"
    "and is proved who said it. For a speaker with a hash chain all that is said\n"
    "at once is one chain. It is done when the speaker has stored what it is to\n"
    "say.\n"
    "  --control SOCKET   of the speaker; see its option of that name\n"
    "  --json             print JSON\n";

struct alert {
    const char *control;
    bool json;
    char text[ALERT_ROOM];
    size_t len;
};

static int alert_error(const char *what, const char *why)
{
    fprintf(stderr, "muster alert: %s: %s\n", what, why);
    return CLI_FAILED;
}

/* One message more, with its zero byte. */
static bool alert_add(struct alert *a, const char *text, size_t len)
{
    if (len == 0 || len > MU_SPEECH_TEXT_MAX ||
        a->len + len + 1 > sizeof a->text) {
        alert_error("message", "1 to 256 bytes each, 4096 at once");
        return false;
    }
    memcpy(a->text + a->len, text, len);
    a->text[a->len + len] = '\0';
    a->len += len + 1;
    return true;
}

static bool alert_lines(struct alert *a)
{
    char line[MU_SPEECH_TEXT_MAX + 3];

    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t len = strcspn(line, "\n");

        if (len > 0 && !alert_add(a, line, len))
            return false;
    }
    return true;
}

static int alert_connect(const struct alert *a)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = ALERT_WAIT};
    int fd;

    if (strlen(a->control) >= sizeof to.sun_path) {
        alert_error(a->control, "longer than a socket's name can be");
        return -1;
    }
    strcpy(to.sun_path, a->control);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0)
        return fd;
    alert_error(a->control, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The answer, or NULL after having said why there is none. */
static json_t *alert_talk(const struct alert *a, int fd)
{
    char answer[512];
    size_t at = 0, got = 0;
    json_t *said = NULL;
    ssize_t n = 1;

    while (at < a->len && n > 0) {
        n = send(fd, a->text + at, a->len - at, MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
    }
    shutdown(fd, SHUT_WR);
    while (n > 0 && got < sizeof answer) {
        n = recv(fd, answer + got, sizeof answer - got, 0);
        got += n > 0 ? (size_t)n : 0;
    }
    if (got > 0)
        said = json_loadb(answer, got, 0, NULL);
    if (said == NULL)
        alert_error(a->control, "no answer");
    return said;
}

static int alert_run(const struct alert *a)
{
    int fd = alert_connect(a), code;
    json_t *said = fd < 0 ? NULL : alert_talk(a, fd);
    const char *error;

    if (fd >= 0)
        close(fd);
    if (said == NULL)
        return CLI_FAILED;
    error = json_string_value(json_object_get(said, "error"));
    code = error == NULL ? CLI_ALL : CLI_FAILED;
    if (a->json)
        cli_print_json(said);
    else if (error == NULL)
        printf("%lld said\n", cli_number(said, "said"));
    if (error != NULL)
        alert_error(a->control, error);
    json_decref(said);
    return code;
}

int verb_alert(int argc, char **argv)
{
    static const struct option options[] = {
        {"control", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'J'},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    struct alert a = {.control = NULL};
    int o;

    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'H') {
            fputs(ALERT_HELP, stdout);
            return CLI_ALL;
        }
        if (o == 'c')
            a.control = optarg;
        else if (o == 'J')
            a.json = true;
        else
            return cli_usage("alert");
    }
    if (a.control == NULL || optind == argc)
        return cli_usage("alert");
    if (argc - optind == 1 && strcmp(argv[optind], "-") == 0) {
        if (!alert_lines(&a))
            return CLI_FAILED;
    } else {
        for (int i = optind; i < argc; i++) {
            if (!alert_add(&a, argv[i], strlen(argv[i])))
                return CLI_FAILED;
        }
    }
    return a.len == 0 ? alert_error("message", "there is none") : alert_run(&a);
}
