// The client of throng's hub for browsers and Node.js: one ES module that needs nothing else. throng.d.ts says what each public
// item does, README.md how they are used, and docs/HUB.md of the repository what is said on the wire.

const PROTOCOL = "throng.v1";
// All times are milliseconds.
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
// A connection that lived for so long was a good one: after it, delays begin anew.
const STABLE = 10_000;
// How long an attempt to connect may take: browsers themselves may wait for minutes.
const CONNECT = 20_000;
// How long the answer to a request may take before the connection is questioned, and the answer to that before it is given up.
const ANSWER = 10_000;
const SILENCE = 60_000;
// Timers of a longer time fire at once.
const LONGEST_TIMER = 2 ** 31 - 1;

export class ThrongError extends Error {
    constructor(code, message, { topic, cause } = {}) {
        super(message, cause === undefined ? undefined : { cause });
        this.name = "ThrongError";
        this.code = code;
        this.topic = topic;
    }
}

// Full jitter: clients that have lost the same server at the same moment come back spread over the whole of the time.
function backoff(failures) {
    return Math.random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures);
}

// Close codes that say that it would end in the same way again: a normal end, the peers do not understand each other (RFC 6455
// section 7.4.1), the registered 3000 (unauthorized) and 3003 (forbidden), and those that applications give a meaning to.
function isFinal(code) {
    return [1000, 1002, 1003, 1007, 1010, 3000, 3003].includes(code) || (code >= 4000 && code <= 4999);
}

// A topic that this client wants, or that the server may still send it.
class Topic {
    // From each Subscription to its handlers.
    subscribers = new Map();
    // Of the last message delivered, or that from which on messages follow; null before it is known.
    position = null;
    subscribed = false;
    // A request about it is on its way, or waits to be repeated: there is one at a time.
    asked = false;
    // Those for whom it was subscribed to, or asked for, have all left: it must be unsubscribed from whoever has come since.
    stale = false;
    refusals = 0;
    timer = undefined;

    constructor(name) {
        this.name = name;
    }

    // The server knows nothing of it.
    forget() {
        clearTimeout(this.timer);
        this.subscribed = this.asked = this.stale = false;
    }
}

class Subscription {
    #topic;
    #leave;

    constructor(topic, leave) {
        this.#topic = topic;
        this.#leave = leave;
    }

    get topic() {
        return this.#topic.name;
    }

    get active() {
        return this.#topic.subscribers.has(this);
    }

    get position() {
        return this.active ? this.#topic.position : null;
    }

    unsubscribe() {
        this.#leave(this);
    }
}

export class Client {
    #url;
    #WebSocket;
    #silence;
    /** @type {import("./throng.js").State} */
    #state = "connecting";
    // The connection there is or that is attempted; events of any other are void.
    #socket = null;
    #openSince;
    // Attempts and short connections in a row that have failed.
    #failures = 0;
    // What a socket's error event said; its close event says less.
    #trouble = "";
    // The one timer: the end of an attempt, the next attempt, or the next look at a silent connection.
    #timer;
    // The last sign of life, or the time since which there must be one.
    #heard = 0;
    #received = 0;
    // Requests without their answers, by id: functions that take the answer, or nothing when the connection is lost.
    #pending = new Map();
    #lastId = 0;
    #topics = new Map();
    #listeners = new Map();
    #openWaiters = [];
    #online = () => {
        if (this.#state === "waiting") {
            this.#connect();
        } else if (this.#state === "open") {
            // The network has changed: the connection may not have survived it.
            this.#check();
        }
    };

    constructor(url, { WebSocket = globalThis.WebSocket, silence = SILENCE } = {}) {
        if (typeof WebSocket !== "function") {
            throw new TypeError("there is no WebSocket here: pass one, as in new Client(url, { WebSocket })");
        }
        if (!(silence > 0)) {
            throw new RangeError("silence must be a number of milliseconds above 0, or Infinity");
        }
        this.#url = addressOf(url);
        this.#WebSocket = WebSocket;
        this.#silence = silence;
        this.#connect();
        globalThis.addEventListener?.("online", this.#online);
    }

    get state() {
        return this.#state;
    }

    on(type, listener) {
        const listeners = this.#listeners.get(type) ?? new Set();
        this.#listeners.set(type, listeners.add(listener));
        return () => listeners.delete(listener);
    }

    opened() {
        return new Promise((resolve, reject) => {
            if (this.#state === "open") {
                resolve();
            } else if (this.#state === "closed") {
                reject(new ThrongError("closed", "the client is closed"));
            } else {
                this.#openWaiters.push({ resolve, reject });
            }
        });
    }

    subscribe(name, handler, { since } = {}) {
        const handlers = typeof handler === "function" ? { message: handler } : handler;
        if (typeof name !== "string" || typeof handlers !== "object") {
            throw new TypeError("subscribe takes a topic, and a function or an object of functions");
        }
        if (this.#state === "closed") {
            throw new ThrongError("closed", "the client is closed", { topic: name });
        }
        const topic = this.#topics.get(name) ?? new Topic(name);
        if (since && topic.subscribers.size) {
            const message = `${name} is subscribed to: messages of the past cannot be had before its other subscribers have left`;
            throw new ThrongError("already-subscribed", message, { topic: name });
        }
        if (since) {
            topic.position = { offset: since.offset, epoch: since.epoch };
        }
        const subscription = new Subscription(topic, (which) => this.#leave(topic, which));
        topic.subscribers.set(subscription, handlers ?? {});
        this.#topics.set(name, topic);
        this.#sync(topic);
        return subscription;
    }

    publish(topic, data) {
        return new Promise((resolve, reject) => {
            const fail = (code, message) => reject(new ThrongError(code, message, { topic }));
            if (typeof topic !== "string" || (typeof data !== "string" && !(data instanceof Uint8Array))) {
                throw new TypeError("publish takes a topic, and a string or a Uint8Array");
            }
            if (this.#state !== "open") {
                return fail("not-connected", "not published: there is no connection");
            }
            const payload = typeof data === "string" ? { data } : { base64: toBase64(data) };
            this.#request({ type: "publish", topic, ...payload }, (answer) => {
                if (!answer) {
                    fail("connection-lost", "the connection was lost before the answer: it may or may not have been published");
                } else if (answer.type === "error") {
                    fail(answer.code, answer.message);
                } else {
                    const { offset, epoch, subscribers } = answer;
                    resolve({ topic, offset, epoch, subscribers });
                }
            });
        });
    }

    close(reason = "") {
        if (this.#state !== "closed") {
            this.#socket?.close(1000, reason);
            this.#detach();
            this.#end(1000, reason);
        }
    }

    // --- The connection ---

    #connect() {
        clearTimeout(this.#timer);
        const socket = new this.#WebSocket(this.#url, PROTOCOL);
        const on = (type, act) => socket.addEventListener(type, (event) => this.#socket === socket && act(event));
        this.#socket = socket;
        this.#openSince = undefined;
        this.#trouble = "";
        on("open", () => this.#open());
        on("message", ({ data }) => this.#receive(data));
        on("close", ({ code, reason }) => this.#lost(code, reason || this.#trouble));
        on("error", ({ message = "" }) => {
            this.#trouble = message;
            if (this.#openSince === undefined) {
                // A close event ought to follow; undici 6, the WebSocket of Node.js 22, has none for attempts that fail.
                this.#lost(1006, message);
            }
        });
        // npm's ws shows the server's Pings; browsers hide them.
        socket.on?.("ping", () => this.#alive());
        this.#timer = setTimeout(() => this.#lost(1006, "the server did not answer in time"), CONNECT);
        this.#become("connecting");
    }

    #open() {
        if (this.#socket.protocol !== PROTOCOL) {
            return this.#lost(1010, `the server does not speak ${PROTOCOL}`);
        }
        clearTimeout(this.#timer);
        this.#openSince = performance.now();
        this.#alive();
        this.#watch();
        this.#become("open");
        for (const topic of this.#topics.values()) {
            this.#sync(topic);
        }
        this.#openWaiters.splice(0).forEach(({ resolve }) => resolve());
    }

    #lost(code, reason) {
        const stable = this.#openSince !== undefined && performance.now() - this.#openSince >= STABLE;
        const socket = this.#detach();
        if (isFinal(code)) {
            this.#end(code, reason);
        } else {
            const delay = backoff((this.#failures = stable ? 0 : this.#failures));
            this.#failures += 1;
            this.#timer = setTimeout(() => this.#connect(), delay);
            this.#become("waiting", { code, reason, delay, failures: this.#failures });
        }
        // A silent one would keep its place for long yet.
        socket.close();
    }

    // Takes leave of the socket and of all that hung on it, and returns it.
    #detach() {
        const socket = this.#socket;
        this.#socket = null;
        clearTimeout(this.#timer);
        const pending = [...this.#pending.values()];
        this.#pending.clear();
        for (const topic of this.#topics.values()) {
            topic.forget();
        }
        pending.forEach((answered) => answered());
        return socket;
    }

    #end(code, reason) {
        globalThis.removeEventListener?.("online", this.#online);
        for (const topic of this.#topics.values()) {
            topic.subscribers.clear();
        }
        this.#openWaiters.splice(0).forEach(({ reject }) => reject(new ThrongError("closed", reason || `closed with ${code}`)));
        this.#become("closed", { code, reason });
    }

    #become(state, more) {
        this.#state = state;
        this.#tell("state", { state, ...more });
    }

    // --- Signs of life ---

    #alive() {
        this.#heard = performance.now();
        this.#received += 1;
    }

    // Looks when nothing may have come for too long: while an answer is owed, for 10 s. Otherwise the time is random, so that
    // clients that have heard the same last message do not ask all at once.
    #watch() {
        const owed = this.#pending.size > 0;
        const limit = owed ? Math.min(ANSWER, this.#silence) : this.#silence * (1 - Math.random() / 2);
        const look = () => {
            const silent = performance.now() - this.#heard >= limit;
            silent && (!owed || this.#pending.size) ? this.#check() : this.#watch();
        };
        clearTimeout(this.#timer);
        this.#timer = setTimeout(look, Math.min(LONGEST_TIMER, this.#heard + limit - performance.now()));
    }

    // Has the server show that it is there.
    #check() {
        const received = this.#received;
        this.#request({ type: "ping" }, (answer) => answer && this.#failed(answer));
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => {
            this.#received === received ? this.#lost(1006, "the connection has fallen silent") : this.#watch();
        }, ANSWER);
    }

    // --- Requests and topics ---

    #request(message, answered) {
        const id = (this.#lastId += 1);
        this.#pending.set(id, answered);
        if (this.#pending.size === 1) {
            // The silence until now was nobody's fault.
            this.#heard = performance.now();
            this.#watch();
        }
        this.#socket.send(JSON.stringify({ ...message, id }));
    }

    // Asks for what is lacking until the server and the subscribers there are agree.
    #sync(topic) {
        const wanted = topic.subscribers.size > 0;
        if (this.#state !== "open" || topic.asked) {
            return;
        }
        if (topic.subscribed && (topic.stale || !wanted)) {
            this.#ask(topic, { type: "unsubscribe" }, () => topic.forget());
        } else if (!topic.subscribed && wanted) {
            const since = topic.position ?? undefined;
            this.#ask(topic, { type: "subscribe", since }, (answer) => this.#subscribed(topic, since, answer));
        } else if (!wanted && this.#topics.get(topic.name) === topic) {
            this.#topics.delete(topic.name);
        }
    }

    #ask(topic, message, done) {
        topic.asked = true;
        this.#request({ ...message, topic: topic.name }, (answer) => {
            if (!answer) {
                return;
            }
            if (answer.code === "busy") {
                const again = () => {
                    topic.asked = false;
                    this.#sync(topic);
                };
                topic.timer = setTimeout(again, backoff(topic.refusals++));
                return;
            }
            topic.asked = false;
            topic.refusals = 0;
            if (answer.type === "error" && message.type === "subscribe" && !topic.stale) {
                this.#refused(topic, answer);
            } else {
                answer.type === "error" ? topic.forget() : done(answer);
                this.#sync(topic);
            }
        });
    }

    #subscribed(topic, since, { offset, epoch, recovered }) {
        topic.subscribed = true;
        if (topic.stale) {
            return;
        }
        topic.position = { offset, epoch };
        if (since && recovered !== true) {
            // A position beyond what there is was not one of this epoch either.
            this.#gap(topic, since, since.epoch === epoch && since.offset <= offset ? "expired" : "epoch");
        }
        this.#tell("subscribed", { topic: topic.name, offset, epoch, recovered: since ? recovered === true : null }, topic);
    }

    // While it still read what it had missed, more of that has been forgotten: the server has gone on behind it.
    #outrun({ topic: name, offset, epoch }) {
        const topic = this.#topics.get(name);
        if (topic?.subscribed) {
            this.#subscribed(topic, topic.position, { offset, epoch, recovered: false });
        }
    }

    #refused(topic, { code, message }) {
        this.#topics.delete(topic.name);
        this.#tell("error", new ThrongError(code, message, { topic: topic.name }), topic);
        topic.subscribers.clear();
    }

    #leave(topic, subscription) {
        if (topic.subscribers.delete(subscription) && !topic.subscribers.size) {
            topic.stale = topic.subscribed || topic.asked;
            topic.position = null;
            this.#sync(topic);
        }
    }

    // --- What the server sends ---

    #receive(data) {
        this.#alive();
        let message;
        try {
            message = JSON.parse(data);
        } catch {
            // Below.
        }
        if (typeof message?.type !== "string") {
            const error = new ThrongError("protocol", "the server has sent what is no message");
            this.#tell("error", error);
            return this.#socket && this.#lost(1006, error.message);
        }
        const answered = this.#pending.get(message.id);
        if (message.type === "message") {
            this.#deliver(message);
        } else if (message.type === "broadcast") {
            this.#tell("broadcast", { data: payloadOf(message) });
        } else if (answered) {
            this.#pending.delete(message.id);
            answered(message);
        } else if (message.type === "subscribed") {
            this.#outrun(message);
        } else {
            this.#failed(message);
        }
    }

    // Tells of an error that no caller is told of otherwise.
    #failed({ type, code, message, topic }) {
        if (type === "error") {
            this.#tell("error", new ThrongError(code, message, { topic }));
        }
    }

    #deliver(message) {
        const { topic: name, offset } = message;
        const topic = this.#topics.get(name);
        if (topic?.stale) {
            // It was on its way while the last subscriber left.
            return;
        }
        const last = topic?.position;
        if (!topic?.subscribed || offset <= last.offset) {
            const what = topic?.subscribed ? `that comes after ${last.offset}` : "of a topic that is not subscribed to";
            const error = new ThrongError("protocol", `the server has sent message ${offset} ${what}`, { topic: name });
            return this.#tell("error", error, topic);
        }
        topic.position = { offset, epoch: last.epoch };
        if (offset > last.offset + 1) {
            this.#gap(topic, last, "dropped", { offset: offset - 1, epoch: last.epoch });
        }
        this.#tell("message", { topic: name, ...topic.position, data: payloadOf(message) }, topic);
    }

    #gap(topic, from, reason, to = topic.position) {
        const lost = reason === "epoch" ? null : to.offset - from.offset;
        this.#tell("gap", { topic: topic.name, from, to, lost, reason }, topic);
    }

    // --- What the application is told ---

    // Calls whoever listens, those of the topic first. Who throws disturbs nobody else.
    #tell(type, event, topic) {
        let heard = false;
        const call = (listener) => {
            heard = true;
            const threw = (cause) => this.#threw(type, cause);
            try {
                listener(event)?.then?.(undefined, threw);
            } catch (cause) {
                threw(cause);
            }
        };
        for (const [subscription, handlers] of topic ? [...topic.subscribers] : []) {
            // One that was called before it may have ended it.
            if (subscription.active && handlers[type]) {
                call((value) => handlers[type](value));
            }
        }
        [...(this.#listeners.get(type) ?? [])].forEach(call);
        if (type === "error" && !heard) {
            console.error(event);
        }
    }

    #threw(type, cause) {
        // An error listener that fails is not told of itself.
        if (type === "error") {
            console.error(cause);
        } else {
            this.#tell("error", new ThrongError("handler", `a handler of ${type} threw: ${cause}`, { cause }));
        }
    }
}

// The URL for a WebSocket: relative ones are the page's, and http means ws.
function addressOf(url) {
    const address = new URL(url, globalThis.location?.href);
    address.protocol = address.protocol.replace(/^http/, "ws");
    if (!/^wss?:$/.test(address.protocol)) {
        throw new SyntaxError(`${address} is no address of a WebSocket: it begins with ws: or wss:`);
    }
    if (address.pathname.startsWith("/topics/") || address.searchParams.has("topic")) {
        throw new SyntaxError(`${address} names topics: name them with subscribe()`);
    }
    address.hash = "";
    return address.href;
}

function payloadOf({ data, base64 }) {
    return base64 === undefined ? data : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function toBase64(bytes) {
    let characters = "";
    // In parts, since arguments are limited in number.
    for (let at = 0; at < bytes.length; at += 8192) {
        characters += String.fromCharCode(...bytes.subarray(at, at + 8192));
    }
    return btoa(characters);
}
