// What the system says of the network, which is true or not; and a process or a page that stood still.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, inPage, simulate } from "./fakes.js";

const asked = (there) => there.socket().asked().map(({ type }) => type);

test("when the browser is online again, the client does not wait any longer", (t) => {
    const { tell } = inPage(t);
    const there = simulate(t, { chance: 1 });
    tell("online");
    assert.equal(there.sockets.length, 1, "an attempt is under way");
    there.socket().end();
    tell("online");
    assert.equal(there.sockets.length, 2);
    there.tick(500);
    assert.equal(there.sockets.length, 2, "the attempt that was due later is not made too");
});

for (const type of ["offline", "online"]) {
    test(`when the browser is ${type}, the connection is questioned, and given up after 4 s without a word`, (t) => {
        const { tell } = inPage(t);
        const there = connected(t, { chance: 1 });
        tell(type);
        assert.deepEqual(asked(there), ["ping"]);
        there.tick(3_999);
        assert.equal(there.client.state, "open", "it may live: of loopback and tunnels the system knows nothing");
        there.tick(1);
        const { state, code, reason } = there.seen("state").at(-1);
        assert.deepEqual([state, code, reason], ["waiting", 1006, "the connection has fallen silent"]);
        assert.ok(there.socket().closedWith);
        there.wait();
        assert.equal(there.sockets.length, 2, "it goes on trying");
    });

    test(`when the browser is ${type} and the server answers, nothing has happened`, (t) => {
        const { tell } = inPage(t);
        const there = connected(t, { chance: 0 });
        tell(type);
        there.tick(3_999);
        there.socket().answer("ping", { type: "pong" });
        there.tick(59_999);
        assert.deepEqual(asked(there), []);
        there.tick(1);
        assert.deepEqual(asked(there), ["ping"]);
        assert.deepEqual(there.seen("state").map(({ state }) => state), ["open"]);
    });
}

test("a network that comes and goes does not give a silent connection longer", (t) => {
    const { tell } = inPage(t);
    const there = connected(t);
    for (let i = 0; i < 4; i++) {
        tell(i % 2 ? "online" : "offline");
        there.tick(1000);
    }
    assert.equal(there.client.state, "waiting");
});

test("a question under way is cut short when the browser is offline", (t) => {
    const { tell } = inPage(t);
    const there = connected(t, { chance: 0 });
    there.tick(60_000);
    there.chance.is = 1;
    tell("offline");
    there.tick(4_000);
    assert.equal(there.client.state, "waiting");
});

test("one that is closed or waits asks nothing when the browser is offline", (t) => {
    const { tell, listeners } = inPage(t);
    const there = connected(t, { chance: 1 });
    there.socket().end();
    tell("offline");
    assert.equal(there.client.state, "waiting");
    assert.equal(there.sockets.length, 1);
    there.client.close();
    tell("offline");
    tell("online");
    assert.equal(there.client.state, "closed");
    assert.deepEqual(listeners, []);
});

// The timer fires before the socket's events of the same time are told.
test("an answer that came while the process stood still counts", (t) => {
    const there = connected(t, { chance: 0 });
    there.tick(60_000);
    there.stall(100_000);
    there.tick(0);
    assert.equal(there.client.state, "open", "the answer has come, and is not looked at yet");
    there.socket().answer("ping", { type: "pong" });
    there.tick(59_000);
    assert.equal(there.client.state, "open");
});

test("without one the connection is given up a second later", (t) => {
    const there = connected(t, { chance: 0 });
    there.tick(60_000);
    there.chance.is = 1;
    there.stall(100_000);
    there.tick(999);
    assert.equal(there.client.state, "open");
    there.tick(1);
    assert.equal(there.client.state, "waiting");
});

test("so does a connection that was made meanwhile", (t) => {
    const there = simulate(t);
    there.stall(100_000);
    there.tick(0);
    assert.equal(there.client.state, "connecting");
    there.socket().open();
    there.tick(20_000);
    assert.equal(there.client.state, "open");
    there.socket().end();
    there.wait();
    there.stall(100_000);
    there.tick(1_000);
    assert.equal(there.client.state, "waiting");
});

test("so does the answer to a request", async (t) => {
    const there = connected(t);
    const published = there.client.publish("a", "x");
    there.stall(100_000);
    there.tick(0);
    there.socket().answer("publish", { type: "published", offset: 1, epoch: "e", subscribers: 0 });
    assert.equal((await published).offset, 1);
});
