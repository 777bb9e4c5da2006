/** A place in a topic: behind its message number `offset`, in the life of the topic that `epoch` names. */
export interface Position {
    /** 0 before the first message of an epoch. */
    readonly offset: number;
    /** A topic that has gone and come back, as when the server has been restarted, has another one. */
    readonly epoch: string;
}

/** A message of a topic, and its position: `since` of {@link SubscribeOptions} takes it as it is. */
export interface Message extends Position {
    readonly topic: string;
    /** As it was published: a string if that was text, else bytes. */
    readonly data: string | Uint8Array;
}

/** The server sends a topic from here on. */
export interface Subscribed extends Position {
    readonly topic: string;
    /** Whether all that was missed follows; `null` when nothing was asked for, since no position was known. */
    readonly recovered: boolean | null;
}

/** Messages of a topic that this client does not get: those behind `from` and up to `to`. */
export interface Gap {
    readonly topic: string;
    /** Behind the last message that there was. */
    readonly from: Position;
    /** Behind the last message that is lost. */
    readonly to: Position;
    /** How many are lost; `null` when `reason` is `epoch`: the server does not know either, and it may be none. */
    readonly lost: number | null;
    /**
     * - `expired`: the client was away for longer than the topic's history reaches back;
     * - `epoch`: the topic has begun anew, most often since the server was restarted;
     * - `dropped`: the client read too slowly, and the topic's rule is to leave messages out.
     */
    readonly reason: "expired" | "epoch" | "dropped";
}

/** A message to all clients, of no topic. */
export interface Broadcast {
    readonly data: string | Uint8Array;
}

/** What a publication came to. */
export interface Published extends Position {
    readonly topic: string;
    /** How many the topic had when the server took the message. */
    readonly subscribers: number;
}

/**
 * - `connecting`: a connection is being made;
 * - `open`: there is one;
 * - `waiting`: it was lost or could not be made, and the next attempt comes after a delay;
 * - `closed`: for good, by `close()` or by a close code that says so.
 */
export type State = "connecting" | "open" | "waiting" | "closed";

export type StateChange =
    | { readonly state: "connecting" | "open" }
    | {
          readonly state: "waiting";
          /** RFC 6455's close code. Without one from the server it is 1006, which is all that browsers tell of a refusal, too. */
          readonly code: number;
          /** In words, as far as anything is known. */
          readonly reason: string;
          /** Milliseconds until the next attempt: a random part of what failures, or the server, have made the longest. */
          readonly delay: number;
          /** Attempts and connections of less than 10 s that have failed in a row. */
          readonly failures: number;
      }
    | { readonly state: "closed"; readonly code: number; readonly reason: string };

/**
 * What went wrong. `code` is the server's (`bad-request`, `bad-topic`, `forbidden`, `already-subscribed`, `not-subscribed`,
 * `too-many-subscriptions`, `too-many-topics`, `busy`, `unavailable`, `too-large`), or one of this client's:
 *
 * - `too-large`: not published, since it has more bytes than the server takes;
 * - `not-connected`: not published, since there was no connection;
 * - `connection-lost`: it was lost before the answer: the message may or may not have been published;
 * - `no-answer`: the server lives, but has not answered for a minute: it may or may not have done what it was asked for;
 * - `closed`: the client is closed;
 * - `handler`: a handler of the application threw; `cause` is what;
 * - `protocol`: the server has broken the protocol.
 */
export class ThrongError extends Error {
    readonly code: string;
    /** The topic it is about, if it is about one. */
    readonly topic?: string;
    constructor(code: string, message: string, more?: { topic?: string; cause?: unknown });
}

/** What is told of all topics, by its name for {@link Client.on}. */
export interface Events {
    state: StateChange;
    subscribed: Subscribed;
    message: Message;
    gap: Gap;
    broadcast: Broadcast;
    /** What no caller is told of otherwise. Where nobody listens, it is written to the console. */
    error: ThrongError;
}

/** What is told of one topic. What a handler throws is told as an error of code `handler` and disturbs nothing else. */
export interface Handlers {
    message?(event: Message): void;
    gap?(event: Gap): void;
    subscribed?(event: Subscribed): void;
    /** With a code of the server's, `no-answer`, or `protocol` and {@link Subscription.active} false, the subscription has ended. */
    error?(error: ThrongError): void;
}

export interface SubscribeOptions {
    /** Have everything behind this position first, or be told of a gap. Not for a topic that is subscribed to already. */
    since?: Position;
}

/** One subscriber of a topic; several of a client share what comes from the server. */
export interface Subscription {
    readonly topic: string;
    /** False after {@link unsubscribe}, when the topic was refused, and when the client is closed. */
    readonly active: boolean;
    /** Behind the last message that was handed out, that of the handler that looks included; `null` before it is known. */
    readonly position: Position | null;
    /** No handler of it is called any more. */
    unsubscribe(): void;
}

/** The part of a browser's WebSocket that the client needs; Node.js 22 has one too, and npm's `ws` and `undici` bring one. */
export interface WebSocketLike {
    readonly protocol: string;
    send(data: string): void;
    close(code?: number, reason?: string): void;
    addEventListener(type: string, listener: (event: any) => void): void;
}

export interface ClientOptions {
    /** The constructor of connections; by default the global one, which Node.js lacks before 22. */
    WebSocket?: new (url: string, protocol: string) => WebSocketLike;
    /**
     * After so many milliseconds without any message, or sooner but no sooner than after half of them, the server is asked for a sign
     * of life, and the connection given up if none comes within 10 s. `Infinity` turns it off. Default: 60,000.
     */
    silence?: number;
}

/** A connection to a throng server that comes back by itself, with the subscriptions there are. */
export class Client {
    /**
     * Begins to connect. `url` is the server's (`ws:`, `wss:`, `http:`, `https:`, or relative to the page), without topics.
     *
     * @throws if the address is none, there is no WebSocket, or `silence` is no time.
     */
    constructor(url: string | URL, options?: ClientOptions);

    readonly state: State;

    /** Has a listener called for each event of that name; what it returns takes it off again. */
    on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void;

    /** Resolves as soon as there is a connection, at once if there is one; rejects when the client is closed. */
    opened(): Promise<void>;

    /**
     * Subscribes to a topic, now and on every later connection, from the position that was reached. A function takes the messages.
     *
     * @throws {ThrongError} `already-subscribed` if `since` is given for a topic that has subscribers here, `closed` when the client is.
     * @throws {TypeError} if the topic is no well-formed string of at most 255 bytes, or `since` is no position.
     */
    subscribe(topic: string, handler: ((event: Message) => void) | Handlers, options?: SubscribeOptions): Subscription;

    /**
     * Publishes a message. It is sent now or never: without a connection this rejects at once (`not-connected`).
     * Rejects with a {@link ThrongError} whose code says why, and with a TypeError what is no topic or no message: texts must be
     * well-formed, without half of a character (a lone surrogate).
     */
    publish(topic: string, data: string | Uint8Array): Promise<Published>;

    /**
     * Ends the connection and all subscriptions, for good, whatever the reason is. What waits for an answer is rejected. The server is
     * told the first 123 bytes of the reason, in whole characters, and nothing of what is no string.
     */
    close(reason?: string): void;
}
