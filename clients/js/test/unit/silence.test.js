// Connections on which nothing comes: browsers hide Pings, so that the client asks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, FakeWs, publish, subscribed } from "./fakes.js";

const asked = (there) => there.socket().asked().map(({ type }) => type);

for (const [chance, after] of [[0, 60_000], [0.5, 45_000], [1, 30_000]]) {
    test(`after ${after / 1000} s of silence the server is asked, with chance at ${chance}`, (t) => {
        const there = connected(t, { chance });
        there.tick(after - 1);
        assert.deepEqual(asked(there), []);
        there.tick(1);
        assert.deepEqual(asked(there), ["ping"]);
    });
}

test("a connection that does not answer for 10 s is given up", (t) => {
    const there = connected(t, { chance: 0 });
    there.tick(60_000);
    there.tick(9_999);
    assert.equal(there.client.state, "open");
    there.chance.is = 0.5;
    there.tick(1);
    assert.equal(there.client.state, "waiting");
    const { code, reason } = there.seen("state").at(-1);
    assert.deepEqual([code, reason], [1006, "the connection has fallen silent"]);
    assert.ok(there.socket().closedWith, "the socket is closed");
    there.tick(250);
    assert.equal(there.sockets.length, 2);
    const states = there.seen("state").length;
    there.sockets[0].say({ type: "pong", id: 1 });
    there.sockets[0].end(1001);
    assert.equal(there.seen("state").length, states, "what the old socket says is void");
});

test("an answer is a sign of life, and the silence begins anew", (t) => {
    const there = connected(t, { chance: 0 });
    there.tick(60_000);
    there.tick(9_999);
    there.socket().answer("ping", { type: "pong" });
    for (let i = 0; i < 3; i++) {
        there.tick(59_999);
        assert.deepEqual(asked(there), []);
        there.tick(2);
        there.socket().answer("ping", { type: "pong" });
    }
    assert.equal(there.client.state, "open");
    assert.equal(there.sockets.length, 1);
});

test("anything that comes is an answer", (t) => {
    const there = connected(t, { chance: 0 });
    subscribed(there, "a");
    there.tick(60_000);
    assert.deepEqual(asked(there), ["ping"]);
    there.tick(5_000);
    publish(there, "a", 1);
    there.tick(5_000);
    assert.equal(there.client.state, "open");
});

test("who is sent messages asks for nothing", (t) => {
    const there = connected(t, { chance: 0.999 });
    subscribed(there, "a");
    for (let i = 1; i <= 100; i++) {
        there.tick(29_000);
        publish(there, "a", i);
    }
    assert.deepEqual(asked(there), []);
});

test("an answer that does not come makes the client ask after 10 s", async (t) => {
    const there = connected(t, { chance: 0 });
    there.tick(50_000);
    const published = there.client.publish("a", "x");
    assert.deepEqual(asked(there), ["publish"]);
    there.tick(9_999);
    assert.deepEqual(asked(there), []);
    there.tick(1);
    assert.deepEqual(asked(there), ["ping"]);
    there.tick(10_000);
    await assert.rejects(published, { code: "connection-lost" });
});

test("requests do not put off the question whether anyone is there", (t) => {
    const there = connected(t, { chance: 0 });
    there.client.publish("a", "x").catch(() => {});
    there.tick(9_000);
    there.client.publish("a", "y").catch(() => {});
    there.tick(1_000);
    assert.deepEqual(asked(there), ["publish", "publish", "ping"]);
});

test("what a connection owed, the next one does not", (t) => {
    const there = connected(t, { chance: 0.5 });
    there.client.publish("a", "x").catch(() => {});
    there.socket().end();
    there.tick(250);
    there.socket().open();
    there.tick(44_999);
    assert.deepEqual(asked(there), []);
    there.tick(1);
    assert.deepEqual(asked(there), ["ping"]);
});

test("a server that refuses to answer is there, and its error is told", (t) => {
    const there = connected(t, { chance: 0.5 });
    there.tick(45_000);
    there.socket().answer("ping", { type: "error", code: "bad-request", message: "no such type" });
    there.tick(10_000);
    assert.equal(there.client.state, "open");
    assert.deepEqual(there.seen("error").map(({ code }) => code), ["bad-request"]);
});

test("where silence is to be noticed sooner, so is an answer that does not come", (t) => {
    const there = connected(t, { chance: 0.5, client: { silence: 4000 } });
    there.client.publish("a", "x").catch(() => {});
    there.tick(3999);
    assert.deepEqual(asked(there), ["publish"]);
    there.tick(1);
    assert.deepEqual(asked(there), ["ping"]);
});

test("one that comes does not", (t) => {
    const there = connected(t, { chance: 0 });
    there.tick(50_000);
    subscribed(there, "a");
    there.tick(59_999);
    assert.deepEqual(asked(there), []);
    there.tick(1);
    assert.deepEqual(asked(there), ["ping"]);
});

test("a server's Ping, where it can be seen, is a sign of life", (t) => {
    const there = connected(t, { chance: 0, client: { WebSocket: FakeWs } });
    for (let i = 0; i < 10; i++) {
        there.tick(59_999);
        there.socket().ping();
    }
    assert.deepEqual(asked(there), []);
    there.tick(60_000);
    assert.deepEqual(asked(there), ["ping"]);
});

test("the time can be chosen, and looking turned off", (t) => {
    const short = connected(t, { chance: 0, client: { silence: 1000 } });
    short.tick(1000);
    assert.deepEqual(asked(short), ["ping"]);
    t.mock.reset();
    const never = connected(t, { chance: 0, client: { silence: Infinity } });
    subscribed(never, "a");
    for (let i = 0; i < 100; i++) {
        never.tick(100_000_000);
    }
    assert.deepEqual(asked(never), []);
    assert.equal(never.client.state, "open");
});
