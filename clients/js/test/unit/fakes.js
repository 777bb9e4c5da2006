// A simulated clock, simulated chance, and sockets whose server is the test.

import assert from "node:assert/strict";
import { Client } from "../../throng.js";

export class FakeSocket {
    // Every one that was made, the newest last.
    static made = [];
    // What making one throws.
    static refuses = null;
    protocol = "";
    sent = [];
    closedWith = null;
    // Whether the system's memory is full, so that what is sent waits in the socket.
    holds = false;
    bufferedAmount = 0;
    #listeners = [];
    #taken = 0;

    constructor(url, protocol) {
        if (FakeSocket.refuses) {
            throw FakeSocket.refuses;
        }
        this.url = url;
        this.offered = protocol;
        FakeSocket.made.push(this);
    }

    addEventListener(type, listener) {
        this.#listeners.push({ type, listener });
    }

    send(text) {
        this.sent.push(JSON.parse(text));
        this.bufferedAmount += this.holds ? text.length : 0;
    }

    close(code, reason) {
        this.closedWith ??= [code, reason];
    }

    // So many bytes of what waits leave.
    leave(bytes = Infinity) {
        this.bufferedAmount = Math.max(0, this.bufferedAmount - bytes);
    }

    // What the server does.

    // Older servers give no welcome.
    open(protocol = "throng.v1", welcome = { max_message: 1 << 20 }) {
        this.protocol = protocol;
        this.#fire("open", {});
        if (welcome) {
            this.say({ type: "welcome", ...welcome });
        }
    }

    say(message) {
        this.#fire("message", { data: JSON.stringify(message) });
    }

    sayText(data) {
        this.#fire("message", { data });
    }

    end(code = 1006, reason = "") {
        this.#fire("close", { code, reason });
    }

    // Browsers give no reason.
    error(message) {
        this.#fire("error", { message });
    }

    fail(message) {
        this.error(message);
        this.end();
    }

    // What the client has asked for since this was last called.
    asked() {
        const asked = this.sent.slice(this.#taken);
        this.#taken = this.sent.length;
        return asked;
    }

    // Answers the oldest request that was not looked at, which must be of a type.
    answer(type, answer) {
        const request = this.sent[this.#taken++];
        if (request?.type !== type) {
            throw new Error(`the client asked for ${request?.type}, not ${type}`);
        }
        this.say({ topic: request.topic, ...answer, id: request.id });
        return request;
    }

    #fire(type, event) {
        this.#listeners.filter((one) => one.type === type).forEach(({ listener }) => listener(event));
    }
}

// npm's ws shows its users the server's Pings, beside the interface of browsers.
export class FakeWs extends FakeSocket {
    #onPing;

    on(type, listener) {
        if (type === "ping") {
            this.#onPing = listener;
        }
    }

    ping() {
        this.#onPing();
    }
}

// Timers, and the time of performance.now(), in milliseconds.
class Clock {
    now = 0;
    #timers = new Map();
    #last = 0;

    setTimeout(act, delay) {
        // Such a timer would fire at once in Node.js and browsers, and never here.
        assert.ok(delay < 2 ** 31, `a timer of ${delay} ms`);
        this.#timers.set((this.#last += 1), { at: this.now + Math.max(0, delay), act });
        return this.#last;
    }

    clearTimeout(id) {
        this.#timers.delete(id);
    }

    // Time passes, and each timer fires when it is due.
    tick(milliseconds) {
        const end = this.now + milliseconds;
        let fired = 0;
        for (;;) {
            const [id, next] = [...this.#timers].reduce((a, b) => (b[1].at < a[1].at ? b : a), [0, { at: Infinity }]);
            if (next.at > end) {
                break;
            }
            assert.ok((fired += 1) < 10_000, "timers fire without end");
            this.now = Math.max(this.now, next.at);
            this.#timers.delete(id);
            next.act();
        }
        this.now = end;
    }
}

// A client whose clock moves with tick() alone, and whose dice show `chance.is`.
export function simulate(test, options = {}) {
    FakeSocket.made = [];
    const { mock } = test;
    const chance = { is: options.chance ?? 0.5 };
    const clock = new Clock();
    mock.method(globalThis, "setTimeout", (act, delay) => clock.setTimeout(act, delay));
    mock.method(globalThis, "clearTimeout", (id) => clock.clearTimeout(id));
    mock.method(performance, "now", () => clock.now);
    mock.method(Math, "random", () => chance.is);
    const shown = mock.method(console, "error", () => {}).mock;
    const client = new Client(options.url ?? "ws://server/", { WebSocket: FakeSocket, ...options.client });
    test.after(() => client.close());
    const seen = [];
    const names = ["state", "subscribed", "message", "gap", "broadcast", ...(options.deafToErrors ? [] : ["error"])];
    for (const name of names) {
        client.on(name, (event) => seen.push([name, event]));
    }
    return {
        client,
        chance,
        seen: (wanted) => seen.filter(([name]) => name === wanted).map(([, event]) => event),
        // What was written to the console.
        shown: () => shown.calls.map((call) => call.arguments[0]),
        tick: (milliseconds) => clock.tick(milliseconds),
        // Until the next attempt to connect.
        wait: () => clock.tick(seen.findLast(([name, { state }]) => name === "state" && state === "waiting")[1].delay),
        // The process stands still: no timer fires meanwhile, and what the test lets the server say next has come before they do.
        stall: (milliseconds) => (clock.now += milliseconds),
        sockets: FakeSocket.made,
        socket: () => FakeSocket.made.at(-1),
    };
}

// The same with a connection.
export function connected(test, options) {
    const there = simulate(test, options);
    there.socket().open();
    return there;
}

// Loses the connection, lets the delay pass, and connects again.
export function reconnect(there) {
    there.socket().end();
    there.wait();
    there.socket().open();
}

// Subscribes, and answers for the server.
export function subscribed(there, topic, { handler = () => {}, since, ...answer } = {}) {
    const subscription = there.client.subscribe(topic, handler, { since });
    there.socket().answer("subscribe", { type: "subscribed", offset: 0, epoch: "e", ...answer });
    return subscription;
}

// Messages of a topic, one for each offset.
export function publish(there, topic, ...offsets) {
    offsets.forEach((offset) => there.socket().say({ type: "message", topic, offset, data: `${topic} ${offset}` }));
}

// As in a page: returns what tells it of events, and who listens.
export function inPage(test) {
    const listeners = [];
    globalThis.addEventListener = (type, listener) => listeners.push([type, listener]);
    globalThis.removeEventListener = (type, listener) => {
        const at = listeners.findIndex((one) => one[0] === type && one[1] === listener);
        listeners.splice(at, at < 0 ? 0 : 1);
    };
    test.after(() => {
        delete globalThis.addEventListener;
        delete globalThis.removeEventListener;
    });
    const tell = (type) => listeners.filter((one) => one[0] === type).forEach(([, listener]) => listener());
    return { tell, listeners };
}

// Lets promises that are settled call those who wait.
export const settle = () => new Promise((resolve) => setImmediate(resolve));
