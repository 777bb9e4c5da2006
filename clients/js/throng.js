// The client of throng's hub for browsers and Node.js: an ES module that needs nothing but the others beside it. throng.d.ts
// says what each public item does, README.md how they are used, and docs/HUB.md of the repository what is said on the wire.

import { Listeners, ThrongError } from "./listeners.js";
import { Requests } from "./requests.js";
import { Subscription, Topic } from "./topic.js";
import {
    A_TOPIC,
    PROTOCOL,
    PROTOCOL_ERROR,
    addressOf,
    answerOf,
    bytesOf,
    isFinal,
    isName,
    isOffset,
    isPosition,
    isWellFormed,
    payloadOf,
    reasonFor,
    toBase64,
} from "./wire.js";

export { ThrongError };

// All times are milliseconds.
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
// A connection that lived for so long was a good one: after it, delays begin anew.
const STABLE = 10_000;
// How long an attempt to connect may take: browsers themselves may wait for minutes.
const CONNECT = 20_000;
// How long the answer to a request may take before the connection is questioned, and the answer to that before it is given up.
const ANSWER = 10_000;
// The latter when the system says that the network has gone or come.
const CHANGED = 4_000;
// How long a connection that lives may owe an answer: then there will be none. So long it may be silent, too, once it was seen to take in
// what had to wait: nobody sees what the system's memory holds of that, or the network.
const UNANSWERED = 60_000;
const SILENCE = 60_000;
// The longest time over which a server may have its clients come back: the longest of its setting reconnect-within.
const LONGEST_SPREAD = 3_600_000;
// A timer that is later than this was kept by a process or a page that stood still.
const LATE = 1_000;
// Timers of a longer time fire at once.
const LONGEST_TIMER = 2 ** 31 - 1;
// The code of what the server has not answered.
const NO_ANSWER = "no-answer";
// The server's codes of what may succeed later: the client asks again.
const TEMPORARY = ["busy", "unavailable"];

// Full jitter: clients that have lost the same server at the same moment come back spread over the whole of the time, which is never
// less than what the server has asked for.
function backoff(failures, spread = 0) {
    return Math.random() * Math.max(spread, Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures));
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
    // When the connection is given up unless there is a sign of life; Infinity while it is not questioned.
    #due = Infinity;
    // Whether all that was heard last was that what has been sent moves on.
    #moves = false;
    // Those without their answers.
    #requests = new Requests();
    // What the server takes as a message, in bytes: it says so in its first words.
    #largest = Infinity;
    // What is published before those, and null after; each is called with whether it may be sent.
    #held = [];
    // Over what time the server wants its clients to come back.
    #spread = 0;
    #topics = new Map();
    #listeners = new Listeners();
    #openWaiters = [];
    #online = () => {
        if (this.#state === "waiting") {
            this.#reconnect();
        }
        this.#changed();
    };
    // The network has changed, or so it is said: of loopback and tunnels it means nothing. Whether the connection has survived it,
    // the connection shows.
    #changed = () => this.#state === "open" && this.#check(CHANGED);

    constructor(url, { WebSocket = globalThis.WebSocket, silence = SILENCE } = {}) {
        if (typeof WebSocket !== "function") {
            throw new TypeError("there is no WebSocket here: pass one, as in new Client(url, { WebSocket })");
        }
        if (typeof silence !== "number" || !(silence > 0)) {
            throw new RangeError("silence must be a number of milliseconds above 0, or Infinity");
        }
        this.#url = addressOf(url);
        this.#WebSocket = WebSocket;
        this.#silence = silence;
        this.#connect();
        globalThis.addEventListener?.("online", this.#online);
        globalThis.addEventListener?.("offline", this.#changed);
    }

    get state() {
        return this.#state;
    }

    on(type, listener) {
        return this.#listeners.add(type, listener);
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
        if (!isName(name) || typeof handlers !== "object") {
            throw new TypeError(`subscribe takes ${A_TOPIC}, and a function or an object of functions`);
        }
        if (since && !isPosition(since)) {
            throw new TypeError("since takes an offset, which is a whole number from 0 on, and an epoch, which is a string");
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
            const isText = typeof data === "string";
            if (!isName(topic) || !(isText ? isWellFormed(data) : data instanceof Uint8Array)) {
                throw new TypeError(`publish takes ${A_TOPIC}, and a well-formed string or a Uint8Array`);
            }
            const bytes = isText ? bytesOf(data) : data.length;
            const payload = isText ? { data } : { base64: toBase64(data) };
            const send = (there) => {
                if (!there) {
                    fail("not-connected", "not published: there is no connection");
                } else if (bytes > this.#largest) {
                    fail("too-large", `not published: it has ${bytes} bytes, and the server takes ${this.#largest}`);
                } else {
                    this.#request({ type: "publish", topic, ...payload }, answered);
                }
            };
            const answered = (answer) => {
                if (!answer) {
                    fail("connection-lost", "the connection was lost before the answer: it may or may not have been published");
                } else if (answer.type === "error") {
                    fail(answer.code, answer.message);
                } else {
                    const { offset, epoch, subscribers } = answer;
                    resolve({ topic, offset, epoch, subscribers });
                }
            };
            // What is given to a socket that is closing is gone.
            const there = this.#state === "open" && !(this.#socket.readyState > 1);
            if (!there || !this.#held) {
                send(there);
            } else if (this.#held.push(send) === 1) {
                // Has servers speak that do so only when they are asked.
                this.#request({ type: "ping" }, () => {});
            }
        });
    }

    close(reason) {
        if (this.#state !== "closed") {
            const said = typeof reason === "string" ? reason : "";
            const socket = this.#detach();
            this.#end(1000, said);
            socket?.close(1000, reasonFor(said));
        }
    }

    // --- The connection ---

    #connect() {
        this.#openSince = undefined;
        this.#trouble = "";
        this.#largest = Infinity;
        this.#held = [];
        const socket = new this.#WebSocket(this.#url, PROTOCOL);
        const on = (type, act) => socket.addEventListener(type, (event) => this.#socket === socket && act(event));
        this.#socket = socket;
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
        socket.on?.("ping", () => this.#socket === socket && this.#alive());
        this.#after(CONNECT, () => this.#lost(1006, "the server did not answer in time"));
        this.#become("connecting");
    }

    #reconnect() {
        try {
            this.#connect();
        } catch (error) {
            // Whoever makes the connections could not, this time.
            this.#lost(1006, String(error));
        }
    }

    #open() {
        if (this.#socket.protocol !== PROTOCOL) {
            return this.#lost(1010, `the server does not speak ${PROTOCOL}`);
        }
        this.#spread = 0;
        this.#openSince = performance.now();
        this.#alive();
        this.#watch();
        this.#become("open");
        for (const topic of this.#topics.values()) {
            this.#sync(topic);
        }
        if (this.#state === "open") {
            this.#openWaiters.splice(0).forEach(({ resolve }) => resolve());
        }
    }

    #lost(code, reason) {
        const stable = this.#openSince !== undefined && performance.now() - this.#openSince >= STABLE;
        const socket = this.#detach();
        if (isFinal(code)) {
            this.#end(code, reason);
        } else {
            const delay = backoff((this.#failures = stable ? 0 : this.#failures), this.#spread);
            this.#failures += 1;
            this.#timer = setTimeout(() => this.#reconnect(), delay);
            this.#become("waiting", { code, reason, delay, failures: this.#failures });
        }
        // A silent one would keep its place for long yet.
        socket?.close();
    }

    // Takes leave of the socket and of all that hung on it, and returns it.
    #detach() {
        const socket = this.#socket;
        this.#socket = null;
        clearTimeout(this.#timer);
        this.#due = Infinity;
        const unanswered = this.#requests.clear();
        for (const topic of this.#topics.values()) {
            topic.forget();
        }
        unanswered.forEach(({ answered }) => answered());
        this.#held?.splice(0).forEach((send) => send(false));
        return socket;
    }

    #end(code, reason) {
        globalThis.removeEventListener?.("online", this.#online);
        globalThis.removeEventListener?.("offline", this.#changed);
        for (const topic of this.#topics.values()) {
            topic.subscribers.clear();
        }
        this.#openWaiters.splice(0).forEach(({ reject }) => reject(new ThrongError("closed", reason || `closed with ${code}`)));
        this.#become("closed", { code, reason });
    }

    #become(state, more) {
        this.#state = state;
        this.#listeners.tell("state", { state, ...more });
    }

    // --- Signs of life ---

    #alive(moves = false) {
        this.#heard = performance.now();
        this.#due = Infinity;
        this.#moves = moves;
        moves || this.#requests.rest();
    }

    // A large message on a slow network: nothing can come before it has left.
    #look() {
        this.#requests.moved(this.#socket) && this.#alive(true);
    }

    // Sets the one timer. Who stood still finds timers that have run out before what has come meanwhile: that is looked at first.
    #after(delay, act) {
        const due = performance.now() + Math.max(0, delay);
        const judge = () => {
            if (performance.now() - due > LATE) {
                this.#timer = setTimeout(act, LATE);
            } else {
                act();
            }
        };
        clearTimeout(this.#timer);
        this.#timer = setTimeout(judge, Math.min(LONGEST_TIMER, delay));
    }

    // Looks when nothing may have come for too long: while an answer is owed, for 10 s. Otherwise the time is random, so that
    // clients that have heard the same last message do not ask all at once.
    #watch() {
        const { oldest } = this.#requests;
        const limit = oldest ? Math.min(ANSWER, this.#silence) : this.#silence * (1 - Math.random() / 2);
        const look = () => {
            this.#look();
            const [now, socket] = [performance.now(), this.#socket];
            this.#expire(now - UNANSWERED);
            const silent = now - this.#heard >= limit && (!oldest || this.#requests.size);
            if (this.#socket === socket) {
                silent ? this.#check() : this.#watch();
            }
        };
        const until = Math.min(this.#heard + limit, oldest ? oldest.sent + UNANSWERED : Infinity);
        this.#after(until - performance.now(), look);
    }

    // Has the server show that it is there. Asking again does not give it longer.
    #check(patience = this.#moves ? UNANSWERED : ANSWER) {
        const now = performance.now();
        this.#request({ type: "ping" }, (answer) => answer && answer.code !== NO_ANSWER && this.#failed(answer));
        if (this.#state !== "open") {
            return;
        }
        this.#due = Math.min(this.#due, now + patience);
        this.#after(this.#due - now, () => {
            this.#look();
            this.#due < Infinity ? this.#lost(1006, "the connection has fallen silent") : this.#watch();
        });
    }

    // Gives up the answers to what was asked before a time.
    #expire(until) {
        this.#requests.expire(until, ({ type, answered }) => {
            const message = `the server has not answered ${type} for ${UNANSWERED / 1000} s: it may or may not have been done`;
            answered({ type: "error", code: NO_ANSWER, message });
        });
    }

    // --- Requests and topics ---

    #request(message, answered) {
        const send = this.#requests.add(message, answered);
        if (this.#requests.size === 1) {
            // The silence until now was nobody's fault.
            this.#heard = performance.now();
            this.#watch();
        }
        try {
            send(this.#socket);
        } catch (error) {
            this.#lost(1006, String(error));
        }
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
            if (TEMPORARY.includes(answer.code)) {
                const again = () => {
                    topic.asked = false;
                    this.#sync(topic);
                };
                topic.timer = setTimeout(again, backoff(topic.refusals++));
                return;
            }
            topic.asked = false;
            topic.refusals = 0;
            // Without a word of the server's that it is not, it may have been subscribed to: the next thing is to leave it.
            const unclear = message.type === "subscribe" && [NO_ANSWER, PROTOCOL_ERROR].includes(answer.code);
            if (answer.type !== "error") {
                done(answer);
            } else if (message.type === "subscribe" && !topic.stale) {
                return this.#refused(topic, answer, unclear);
            } else {
                topic.forget();
                topic.subscribed = topic.stale = unclear;
            }
            this.#sync(topic);
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
        this.#listeners.tell("subscribed", { topic: topic.name, offset, epoch, recovered: since ? recovered === true : null }, topic);
    }

    // While it still read what it had missed, more of that has been forgotten: the server has gone on behind it.
    #outrun({ topic: name, offset, epoch }) {
        const topic = this.#topics.get(name);
        if (topic?.subscribed) {
            this.#subscribed(topic, topic.position, { offset, epoch, recovered: false });
        } else if (!topic) {
            this.#broken("a subscription that nobody asked for: the address seems to name that topic (topics-path)", name);
        }
    }

    #refused(topic, { code, message }, unclear) {
        const next = new Topic(topic.name);
        next.subscribed = next.stale = unclear;
        this.#topics.delete(topic.name);
        unclear && this.#topics.set(topic.name, next);
        this.#listeners.tell("error", new ThrongError(code, message, { topic: topic.name }), topic);
        topic.subscribers.clear();
        this.#sync(next);
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
            const error = new ThrongError(PROTOCOL_ERROR, "the server has sent what is no message");
            this.#listeners.tell("error", error);
            return this.#socket && this.#lost(1006, error.message);
        }
        if (message.type === "welcome" && message.max_message > 0) {
            this.#largest = message.max_message;
        }
        const [socket, held] = [this.#socket, this.#held ?? []];
        this.#held = null;
        held.forEach((send) => send(this.#socket === socket));
        this.#dispatch(message);
    }

    #dispatch(message) {
        let asked;
        if (message.type === "message") {
            this.#deliver(message);
        } else if (message.type === "broadcast") {
            const data = payloadOf(message);
            data === undefined ? this.#broken("a broadcast without data") : this.#listeners.tell("broadcast", { data });
        } else if (message.type === "reconnect") {
            // Not for ever: a server can be wrong, too.
            this.#spread = Math.min(LONGEST_SPREAD, Number(message.within) || 0);
        } else if ((asked = this.#requests.take(message.id))) {
            asked.answered(answerOf(asked.type, message));
        } else if (message.type === "subscribed" && message.id === undefined) {
            isPosition(message) ? this.#outrun(message) : this.#broken("a position that is none", message.topic);
        } else {
            this.#failed(message);
        }
    }

    #broken(what, name, topic) {
        this.#listeners.tell("error", new ThrongError(PROTOCOL_ERROR, `the server has sent ${what}`, { topic: name }), topic);
    }

    // Tells of an error that no caller is told of otherwise.
    #failed({ type, code, message, topic }) {
        if (type === "error") {
            this.#listeners.tell("error", new ThrongError(code, message, { topic }));
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
        if (!topic?.subscribed) {
            return this.#broken(`message ${offset} of a topic that is not subscribed to`, name, topic);
        } else if (!isOffset(offset) || offset <= last.offset) {
            return this.#broken(`message ${offset} that comes after ${last.offset}`, name, topic);
        }
        const data = payloadOf(message);
        if (data === undefined) {
            return this.#broken(`message ${offset} without data`, name, topic);
        }
        topic.position = { offset, epoch: last.epoch };
        if (offset > last.offset + 1) {
            this.#gap(topic, last, "dropped", { offset: offset - 1, epoch: last.epoch });
        }
        this.#listeners.tell("message", { topic: name, ...topic.position, data }, topic);
    }

    #gap(topic, from, reason, to = topic.position) {
        const lost = reason === "epoch" ? null : to.offset - from.offset;
        this.#listeners.tell("gap", { topic: topic.name, from, to, lost, reason }, topic);
    }
}
