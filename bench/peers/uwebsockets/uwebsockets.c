/* uWebSockets through the C interface that comes with it, as programs in other languages have it. */

#include "libuwebsockets.h"

#include "arguments.h"

/* Not TLS: the first argument of every function. */
enum { PLAIN = 0 };

static const char TOPIC[] = "feed";
enum { TOPIC_LENGTH = sizeof TOPIC - 1 };

static struct arguments arguments;
static uws_app_t *app;

static void echo(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode, void *user_data) {
    (void) user_data;
    uws_ws_send_with_options(PLAIN, ws, message, length, opcode, arguments.compression, true);
}

static void subscribe(uws_websocket_t *ws, void *user_data) {
    (void) user_data;
    uws_ws_subscribe(PLAIN, ws, TOPIC, TOPIC_LENGTH);
}

static void publish(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode, void *user_data) {
    (void) ws;
    (void) opcode;
    (void) user_data;
    // Not the socket's own publish, which is for subscribers.
    uws_publish(PLAIN, app, TOPIC, TOPIC_LENGTH, message, length, TEXT, arguments.compression);
}

static void listening(struct us_listen_socket_t *socket, uws_app_listen_config_t config, void *user_data) {
    (void) user_data;
    if (!socket) {
        fprintf(stderr, "cannot listen on 127.0.0.1:%d\n", config.port);
        exit(1);
    }
    deepen_backlog((int) (intptr_t) us_socket_get_native_handle(PLAIN, (struct us_socket_t *) socket));
}

int main(int argc, char **argv) {
    arguments = parse_arguments(argc, argv);
    raise_descriptor_limit();

    uws_socket_behavior_t behavior = {
        .compression = arguments.compression ? SHARED_COMPRESSOR | SHARED_DECOMPRESSOR : DISABLED,
        .maxPayloadLength = MAX_MESSAGE,
        .idleTimeout = idle_timeout(arguments.ping_interval),
        .maxBackpressure = 0,
        .sendPingsAutomatically = true,
    };
    uws_socket_behavior_t feed = behavior, publishing = behavior, echoing = behavior;
    feed.open = subscribe;
    publishing.message = publish;
    echoing.message = echo;

    app = uws_create_app(PLAIN, (struct us_socket_context_options_t){0});
    uws_ws(PLAIN, app, "/feed", feed, NULL);
    uws_ws(PLAIN, app, "/publish", publishing, NULL);
    uws_ws(PLAIN, app, "/*", echoing, NULL);
    uws_app_listen_config_t config = {
        .port = arguments.port,
        .host = "127.0.0.1",
        .options = LIBUS_LISTEN_EXCLUSIVE_PORT,
    };
    uws_app_listen_with_config(PLAIN, app, config, listening, NULL);
    uws_app_run(PLAIN, app);
}
