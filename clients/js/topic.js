// A topic as throng.js keeps it, and what the application holds of it.

// A topic that this client wants, or that the server may still send it.
export class Topic {
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

export class Subscription {
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
