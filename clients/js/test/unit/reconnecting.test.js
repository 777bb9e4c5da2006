// When the client comes back, after how long, and when it does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, FakeSocket, settle, simulate } from "./fakes.js";

const delays = (there) => there.seen("state").filter(({ state }) => state === "waiting").map(({ delay }) => delay);

test("the longest delay doubles from 0.5 s to 30 s, and stays there", (t) => {
    const there = simulate(t, { chance: 1 });
    for (let i = 0; i < 9; i++) {
        there.socket().end();
        there.wait();
    }
    assert.deepEqual(delays(there), [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    assert.deepEqual(there.seen("state").filter(({ failures }) => failures).map(({ failures }) => failures), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("failures without end do not make the delay anything but 30 s", (t) => {
    const there = simulate(t, { chance: 1 });
    for (let i = 0; i < 2000; i++) {
        there.socket().end();
        there.wait();
    }
    assert.equal(delays(there).at(-1), 30_000);
});

test("jitter is full: from nothing to all of the delay", (t) => {
    const there = simulate(t, { chance: 0 });
    there.socket().end();
    there.tick(0);
    assert.equal(there.sockets.length, 2);
    there.chance.is = 0.25;
    there.socket().end();
    assert.deepEqual(delays(there), [0, 250]);
});

test("the next attempt is made when the delay is over and not before", (t) => {
    const there = simulate(t, { chance: 0.5 });
    there.socket().end();
    assert.equal(there.client.state, "waiting");
    there.tick(249);
    assert.equal(there.sockets.length, 1);
    there.tick(1);
    assert.equal(there.sockets.length, 2);
    assert.equal(there.client.state, "connecting");
});

test("delays begin anew after 10 s of connection and not before", (t) => {
    const there = simulate(t, { chance: 1 });
    there.socket().end();
    for (const stays of [0, 9_999, 10_000, 9_999]) {
        there.wait();
        there.socket().open();
        there.tick(stays);
        there.socket().end();
    }
    assert.deepEqual(delays(there), [500, 1000, 2000, 500, 1000]);
});

test("an attempt without an end is given up after 20 s", (t) => {
    const there = simulate(t);
    there.tick(19_999);
    assert.equal(there.client.state, "connecting");
    there.tick(1);
    assert.equal(there.client.state, "waiting");
    assert.equal(there.seen("state").at(-1).reason, "the server did not answer in time");
    assert.ok(there.socket().closedWith);
    there.tick(250);
    there.sockets[0].open();
    assert.equal(there.client.state, "connecting", "the attempt that was given up means nothing any more");
    there.sockets[1].open();
    assert.equal(there.client.state, "open");
    there.tick(20_000);
    assert.equal(there.client.state, "open");
});

for (const code of [1001, 1005, 1006, 1008, 1009, 1011, 1012, 1013, 1014, 1015, 3001, 3999]) {
    test(`the client comes back after ${code}`, (t) => {
        const there = connected(t);
        there.socket().end(code, "why");
        const { delay, ...rest } = there.seen("state").at(-1);
        assert.deepEqual(rest, { state: "waiting", code, reason: "why", failures: 1 });
        there.tick(delay);
        assert.equal(there.sockets.length, 2);
    });
}

for (const code of [1000, 1002, 1003, 1007, 1010, 3000, 3003, 4000, 4999]) {
    test(`the client stays away after ${code}`, (t) => {
        const there = connected(t);
        there.socket().end(code, "why");
        assert.deepEqual(there.seen("state").at(-1), { state: "closed", code, reason: "why" });
        there.tick(1_000_000);
        assert.equal(there.sockets.length, 1);
    });
}

test("a server that speaks something else is final", (t) => {
    const there = simulate(t);
    assert.equal(there.socket().offered, "throng.v1");
    there.socket().open("");
    assert.deepEqual(there.seen("state").at(-1), { state: "closed", code: 1010, reason: "the server does not speak throng.v1" });
    assert.ok(there.socket().closedWith);
});

test("an attempt that fails without a close event has failed", (t) => {
    const there = simulate(t);
    there.socket().error("connect ECONNREFUSED");
    const { state, code, reason } = there.seen("state").at(-1);
    assert.deepEqual([state, code, reason], ["waiting", 1006, "connect ECONNREFUSED"]);
    there.tick(250);
    there.socket().open();
    there.socket().error("Invalid WebSocket frame");
    assert.equal(there.client.state, "open", "its close event comes, and has the code");
    there.socket().end(1006);
    assert.equal(there.seen("state").at(-1).reason, "Invalid WebSocket frame");
});

test("what the error event says is the reason where the close event has none", (t) => {
    const there = simulate(t);
    there.socket().fail("Unexpected server response: 403");
    assert.equal(there.seen("state").at(-1).reason, "Unexpected server response: 403");
    there.wait();
    there.socket().end();
    assert.equal(there.seen("state").at(-1).reason, "", "it was the other connection's");
});

test("close() is for good", async (t) => {
    for (const state of ["connecting", "open", "waiting"]) {
        const there = simulate(t, { chance: 1 });
        const waits = there.client.opened();
        if (state !== "connecting") {
            there.socket().open();
        }
        if (state === "waiting") {
            there.socket().end();
        }
        assert.equal(there.client.state, state);
        const subscription = there.client.subscribe("a", () => {});
        there.client.close("done");
        assert.deepEqual(there.seen("state").at(-1), { state: "closed", code: 1000, reason: "done" });
        assert.deepEqual(there.socket().closedWith, state === "waiting" ? [undefined, undefined] : [1000, "done"]);
        assert.equal(subscription.active, false);
        const before = there.seen("state").length;
        there.socket().open();
        there.socket().end(1001);
        there.client.close();
        there.tick(1_000_000);
        assert.equal(there.sockets.length, 1);
        assert.equal(there.seen("state").length, before);
        assert.throws(() => there.client.subscribe("a", () => {}), { code: "closed" });
        await assert.rejects(there.client.opened(), { code: "closed" });
        await (state === "connecting" ? assert.rejects(waits, { code: "closed", message: "done" }) : waits);
        t.mock.reset();
    }
});

for (const [given, told, sent] of [
    ["x".repeat(200), "x".repeat(200), "x".repeat(123)],
    ["\u20ac".repeat(42), "\u20ac".repeat(42), "\u20ac".repeat(41)],
    ["\u{1f642}".repeat(31), "\u{1f642}".repeat(31), "\u{1f642}".repeat(30)],
    ["\ud83d", "\ud83d", "\ud83d"],
    ...[null, undefined, 7, 1n, {}, Symbol("a"), Object.create(null)].map((given) => [given, "", ""]),
]) {
    const shown = typeof given === "object" ? JSON.stringify(given) : String(given).slice(0, 9);
    test(`close(${shown}) closes, with what of it a Close has room for`, async (t) => {
        const there = connected(t);
        const published = there.client.publish("a", "x");
        there.client.close(given);
        assert.deepEqual(there.seen("state").at(-1), { state: "closed", code: 1000, reason: told });
        assert.deepEqual(there.socket().closedWith, [1000, sent]);
        assert.ok(Buffer.byteLength(sent) <= 123);
        await assert.rejects(published, { code: "connection-lost" });
        there.tick(1_000_000);
        assert.equal(there.sockets.length, 1);
    });
}

test("a socket that throws when it is closed does not keep the client open", (t) => {
    const there = connected(t);
    there.socket().close = () => {
        throw new SyntaxError("no");
    };
    assert.throws(() => there.client.close("done"), SyntaxError);
    assert.equal(there.client.state, "closed");
    there.tick(1_000_000);
    assert.equal(there.sockets.length, 1);
});

test("a WebSocket that cannot be made later is a failed attempt", (t) => {
    const there = connected(t, { chance: 1 });
    there.tick(20_000);
    FakeSocket.refuses = new Error("no token");
    t.after(() => (FakeSocket.refuses = null));
    there.socket().end();
    for (const delay of [500, 1000, 2000]) {
        assert.equal(there.seen("state").at(-1).delay, delay);
        there.wait();
        assert.equal(there.seen("state").at(-1).reason, "Error: no token");
    }
    FakeSocket.refuses = null;
    there.wait();
    there.socket().open();
    assert.equal(there.client.state, "open");
});

test("opened() waits for a connection, over failures", async (t) => {
    const there = simulate(t);
    let opened = 0;
    const waits = there.client.opened().then(() => (opened += 1));
    there.socket().end();
    there.wait();
    await settle();
    assert.equal(opened, 0);
    there.socket().open();
    await waits;
    await there.client.opened();
});

test("the states are told in order", (t) => {
    const there = connected(t);
    there.socket().end(1012);
    there.wait();
    there.socket().open();
    there.client.close();
    const states = there.seen("state").map(({ state }) => state);
    assert.deepEqual(states, ["open", "waiting", "connecting", "open", "closed"]);
});

test("a client that is closed by who hears of a state stays closed", (t) => {
    for (const state of ["open", "waiting", "connecting"]) {
        const there = simulate(t);
        there.client.on("state", (event) => event.state === state && there.client.close());
        there.socket().open();
        there.socket().end();
        there.tick(1_000_000);
        assert.equal(there.client.state, "closed");
        assert.equal(there.sockets.length, state === "connecting" ? 2 : 1);
        t.mock.reset();
    }
});
