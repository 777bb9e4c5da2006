// ws with bufferutil, which it uses where it is there: replies to what came together are written together. scripts/peers copies
// this file beside the packages it needs.
import { createServer } from "node:http";
import { exit, nextTick } from "node:process";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";

const BACKLOG = 4096;
const MAX_MESSAGE = 16 * 1024 * 1024;
const USAGE = "usage: --port P [--compression] [--ping-interval SECONDS]";

const { port, compression, pingInterval } = readArguments();
const server = createServer();
const sockets = new WebSocketServer({
  server,
  clientTracking: pingInterval > 0,
  maxPayload: MAX_MESSAGE,
  perMessageDeflate: compression && { serverNoContextTakeover: true, clientNoContextTakeover: true },
});
/** One that sends to a subscriber, for each. */
const subscribers = new Set();

sockets.on("connection", (socket, request) => {
  const send = batched(socket, request.socket);
  // What ends a connection is the client's affair.
  socket.on("error", () => {});
  switch (new URL(request.url, "ws://peer").pathname) {
    case "/feed":
      subscribers.add(send);
      socket.on("close", () => subscribers.delete(send));
      break;
    case "/publish":
      socket.on("message", (data) => {
        for (const deliver of subscribers) deliver(data, false);
      });
      break;
    default:
      socket.on("message", send);
  }
});

/** Sends on `socket`, whose TCP socket holds back what is sent in one turn of the loop and then writes it at once. */
function batched(socket, tcp) {
  const uncork = () => tcp.uncork();
  return (data, binary) => {
    if (tcp.writableCorked === 0) {
      tcp.cork();
      nextTick(uncork);
    }
    socket.send(data, { binary });
  };
}

if (pingInterval > 0) {
  setInterval(() => {
    for (const socket of sockets.clients) socket.ping();
  }, pingInterval * 1000);
}

server.on("error", (error) => {
  console.error(`cannot listen on 127.0.0.1:${port}: ${error.message}`);
  exit(1);
});
server.listen({ port, host: "127.0.0.1", backlog: BACKLOG });

function readArguments() {
  let values;
  try {
    values = parseArgs({
      options: { port: { type: "string" }, compression: { type: "boolean" }, "ping-interval": { type: "string" } },
    }).values;
  } catch (error) {
    refuse(`${error.message}; ${USAGE}`);
  }
  if (values.port === undefined) refuse(`--port is missing; ${USAGE}`);
  return {
    port: number("--port", values.port),
    compression: values.compression ?? false,
    pingInterval: values["ping-interval"] === undefined ? 0 : number("--ping-interval", values["ping-interval"]),
  };
}

function number(option, text) {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 65535) refuse(`${option} needs a number from 1 to 65535`);
  return value;
}

function refuse(why) {
  console.error(why);
  exit(2);
}
