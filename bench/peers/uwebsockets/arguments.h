/* The command line that every peer has, for the two programs on uWebSockets: one in C, one in C++. */

#ifndef PEERS_ARGUMENTS_H
#define PEERS_ARGUMENTS_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* Connections that may wait to be accepted. uSockets asks for 512 and has no setting. */
enum { BACKLOG = 4096 };
enum { MAX_MESSAGE = 16 * 1024 * 1024 };

struct arguments {
    int port;
    bool compression;
    /* Seconds, 0 for no pings. */
    int ping_interval;
};

static inline void usage(const char *complaint, const char *word) {
    fprintf(stderr, "%s%s; usage: --port P [--compression] [--ping-interval SECONDS]\n", complaint, word);
    exit(2);
}

static inline int number(const char *option, const char *text, long least, long most) {
    char *end = NULL;
    errno = 0;
    long value = text ? strtol(text, &end, 10) : 0;
    if (!text || end == text || *end || errno || value < least || value > most) {
        fprintf(stderr, "%s needs a number from %ld to %ld\n", option, least, most);
        exit(2);
    }
    return (int) value;
}

static inline struct arguments parse_arguments(int argc, char **argv) {
    struct arguments arguments = {0, false, 0};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--port")) {
            arguments.port = number("--port", argv[++i], 1, 65535);
        } else if (!strcmp(argv[i], "--compression")) {
            arguments.compression = true;
        } else if (!strcmp(argv[i], "--ping-interval")) {
            arguments.ping_interval = number("--ping-interval", argv[++i], 1, 900);
        } else {
            usage("unknown argument ", argv[i]);
        }
    }
    if (!arguments.port) usage("--port is missing", "");
#ifdef UWS_NO_ZLIB
    if (arguments.compression) {
        fprintf(stderr, "--compression: this server was built without zlib: install zlib1g-dev and build it again\n");
        exit(2);
    }
#endif
    return arguments;
}

/* The idle timeout with which uWebSockets pings after at least so many seconds of silence: it pings `margin` seconds before the
 * timeout, and chooses 4, 8 or 16 for that by the timeout's length. Its timers tick every four seconds, so that an interval
 * becomes the next multiple of four. */
static inline unsigned short idle_timeout(int ping_interval) {
    if (!ping_interval) return 0;
    int interval = (ping_interval + 3) / 4 * 4;
    int margin = interval < 12 ? 4 : interval < 24 ? 8 : 16;
    return (unsigned short) (interval + margin);
}

static inline void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static inline void deepen_backlog(int descriptor) {
    if (listen(descriptor, BACKLOG)) {
        perror("listen");
        exit(1);
    }
}

#endif
