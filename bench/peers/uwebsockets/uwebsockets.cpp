/* uWebSockets in its own language. */

#include "App.h"

#include "arguments.h"

struct Nothing {};

int main(int argc, char **argv) {
    const arguments arguments = parse_arguments(argc, argv);
    raise_descriptor_limit();

    uWS::App app;
    auto behavior = [&arguments]() {
        return uWS::App::WebSocketBehavior<Nothing>{
            .compression = arguments.compression ? uWS::CompressOptions(uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR)
                                                 : uWS::DISABLED,
            .maxPayloadLength = MAX_MESSAGE,
            .idleTimeout = idle_timeout(arguments.ping_interval),
            .maxBackpressure = 0,
            .sendPingsAutomatically = true,
        };
    };

    auto feed = behavior();
    feed.open = [](auto *ws) { ws->subscribe("feed"); };
    app.ws<Nothing>("/feed", std::move(feed));

    auto publish = behavior();
    // Not the socket's own publish, which is for subscribers.
    publish.message = [&app, compress = arguments.compression](auto *, std::string_view message, uWS::OpCode) {
        app.publish("feed", message, uWS::OpCode::TEXT, compress);
    };
    app.ws<Nothing>("/publish", std::move(publish));

    auto echo = behavior();
    echo.message = [compress = arguments.compression](auto *ws, std::string_view message, uWS::OpCode opcode) {
        ws->send(message, opcode, compress);
    };
    app.ws<Nothing>("/*", std::move(echo));

    app.listen("127.0.0.1", arguments.port, LIBUS_LISTEN_EXCLUSIVE_PORT, [&arguments](us_listen_socket_t *socket) {
        if (!socket) {
            fprintf(stderr, "cannot listen on 127.0.0.1:%d\n", arguments.port);
            exit(1);
        }
        deepen_backlog((int) (intptr_t) us_socket_get_native_handle(0, (us_socket_t *) socket));
    });
    app.run();
}
