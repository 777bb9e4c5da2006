// What throng.js has asked the server for and has no answer to yet, and how much of that has left.

export class Requests {
    // By id and the oldest first. Each has its type, when it was sent, and `answered`, which takes the answer, or nothing when the
    // connection is lost.
    #open = new Map();
    #lastId = 0;
    // Bytes that the socket was given, as it counts them; those that had left when it was last looked at, and that it held back then.
    #given = 0;
    #left = 0;
    #held = 0;

    get size() {
        return this.#open.size;
    }

    get oldest() {
        return this.#open.values().next().value;
    }

    // Notes a request. `send` is then called with a socket.
    add(message, answered) {
        const id = (this.#lastId += 1);
        const request = { type: message.type, sent: performance.now(), answered, end: 0 };
        this.#open.set(id, request);
        return (socket) => {
            const held = socket.bufferedAmount;
            socket.send(JSON.stringify({ ...message, id }));
            this.#given += Math.max(0, socket.bufferedAmount - held) || 0;
            request.end = this.#given;
        };
    }

    // The one that an answer is to, which is taken out.
    take(id) {
        const request = this.#open.get(id);
        this.#open.delete(id);
        return request;
    }

    // Takes out those that were sent until a time, and hands them to `act`.
    expire(until, act) {
        for (const [id, request] of this.#open) {
            if (request.sent > until) {
                return;
            }
            this.#open.delete(id);
            act(request);
        }
    }

    // Whether bytes have left that the socket held back when this was last asked: the other side has taken in others to make room for
    // them. What just goes into the system's memory shows nothing. A request counts as sent only when its last bytes have left.
    moved({ bufferedAmount = 0 }) {
        const [left, held] = [this.#left, this.#held];
        this.#held = bufferedAmount;
        this.#left = this.#given - bufferedAmount;
        if (this.#left > left) {
            this.#open.forEach((request) => request.end > left && (request.sent = performance.now()));
        }
        return held > 0 && this.#left > left;
    }

    // What moves from now on shows nothing before it was asked once more.
    rest() {
        this.#held = 0;
    }

    // The connection is lost, and the next one begins anew: those that were open.
    clear() {
        const open = [...this.#open.values()];
        this.#open.clear();
        this.#given = this.#left = this.#held = 0;
        return open;
    }
}
