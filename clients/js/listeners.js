// What throng.js tells the application: events and errors, and whom.

export class ThrongError extends Error {
    constructor(code, message, { topic, cause } = {}) {
        super(message, cause === undefined ? undefined : { cause });
        this.name = "ThrongError";
        this.code = code;
        this.topic = topic;
    }
}

export class Listeners {
    // By the names of events.
    #of = new Map();

    add(type, listener) {
        if (typeof listener !== "function") {
            throw new TypeError("on takes the name of an event, and a function");
        }
        const listeners = this.#of.get(type) ?? new Set();
        this.#of.set(type, listeners.add(listener));
        return () => listeners.delete(listener);
    }

    // Calls whoever listens, those of the topic first. Who throws disturbs nobody else.
    tell(type, event, topic) {
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
        [...(this.#of.get(type) ?? [])].forEach(call);
        if (type === "error" && !heard) {
            console.error(event);
        }
    }

    #threw(type, cause) {
        // An error listener that fails is not told of itself.
        if (type === "error") {
            console.error(cause);
        } else {
            this.tell("error", new ThrongError("handler", `a handler of ${type} threw: ${cause}`, { cause }));
        }
    }
}
