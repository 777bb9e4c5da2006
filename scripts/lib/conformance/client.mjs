// The scenario of scenario.json for every client with the browsers' interface of a WebSocket. python_client.py has the same for Python.

// Plays all parts on connections of their own and reports each; ends when the server has closed the last one.
//   open          makes the WebSocket to the server
//   sendFragments sends parts of bytes as frames of one message; null where a client cannot
//   report        takes what was seen, and returns a promise
export async function play({ open, sendFragments, scenario, report }) {
    const connect = () => Connection.to(open());

    let connection = await connect();
    await report({ part: "extensions", agreed: connection.socket.extensions });
    for (const kind of ["text", "binary"]) {
        for (const size of scenario.sizes) {
            connection.socket.send(payload(kind, size));
            await report({ part: `echo of ${kind} ${size}`, same: same(await connection.next(), payload(kind, size)) });
        }
        for (const sizes of sendFragments ? scenario.fragments : []) {
            const whole = payload(kind, sizes.reduce((sum, size) => sum + size, 0));
            sendFragments(connection.socket, slices(bytes(whole), sizes), kind === "binary");
            await report({ part: `echo of ${kind} in frames of ${sizes}`, same: same(await connection.next(), whole) });
        }
    }

    const sent = Array.from({ length: scenario.in_order }, (_, i) => payload(i % 3 ? "text" : "binary", i));
    sent.forEach((message) => connection.socket.send(message));
    let inOrder = 0;
    for (const message of sent) {
        inOrder += same(await connection.next(), message);
    }
    await report({ part: "messages in order", count: inOrder });
    connection.socket.close();
    await connection.closed;

    for (const code of scenario.close_codes) {
        connection = await connect();
        connection.socket.close(...(code === null ? [] : [code]));
        await report({ part: `close with ${code ?? "no code"}`, ...(await connection.closed) });
    }
    for (const kind of ["text", "binary"]) {
        connection = await connect();
        connection.socket.send(payload(kind, scenario.too_big));
        await report({ part: `close after too big a ${kind}`, ...(await connection.closed) });
    }
    connection = await connect();
    connection.socket.send("here");
    await connection.next();
    await report({ part: "ready for the end" });
    await report({ part: "close at the end", ...(await connection.closed) });
}

class Connection {
    static async to(socket) {
        const connection = new Connection(socket);
        await connection.opened;
        return connection;
    }

    constructor(socket) {
        socket.binaryType = "arraybuffer";
        this.socket = socket;
        this.arrived = [];
        this.awaited = [];
        this.opened = new Promise((resolve, reject) => {
            socket.addEventListener("open", resolve);
            socket.addEventListener("close", (event) => reject(new Error(`closed with ${event.code} before it was open`)));
        });
        this.closed = new Promise((resolve) => {
            socket.addEventListener("close", (event) => {
                this.awaited.splice(0).forEach(({ reject }) => reject(new Error(`closed with ${event.code}`)));
                resolve({ code: event.code, clean: event.wasClean });
            });
        });
        // The close event tells more; npm's ws ends the process for an error that nobody listens to.
        socket.addEventListener("error", () => {});
        socket.addEventListener("message", ({ data }) => {
            const next = this.awaited.shift();
            next ? next.resolve(data) : this.arrived.push(data);
        });
    }

    // The next message, a string or an ArrayBuffer.
    async next() {
        if (this.arrived.length) {
            return this.arrived.shift();
        }
        return new Promise((resolve, reject) => this.awaited.push({ resolve, reject }));
    }
}

// A message of so many bytes: text in characters of one to four bytes, which compresses well, or bytes that do not.
export function payload(kind, size) {
    if (kind === "text") {
        let text = "";
        for (let i = 0; i < Math.floor(size / 16); i++) {
            text += `${String(i).padStart(6, "0")}a\u00e9\u20ac\u{1f642}`;
        }
        return text + "-".repeat(size % 16);
    }
    const out = new Uint8Array(size);
    for (let i = 0, x = size; i < size; i++) {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        out[i] = x >>> 24;
    }
    return out.buffer;
}

function bytes(message) {
    return typeof message === "string" ? new TextEncoder().encode(message) : new Uint8Array(message);
}

function same(got, wanted) {
    if (typeof got !== typeof wanted) {
        return false;
    }
    const [a, b] = [bytes(got), bytes(wanted)];
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function slices(whole, sizes) {
    let from = 0;
    return sizes.map((size) => whole.subarray(from, (from += size)));
}
