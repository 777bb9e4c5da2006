// Large messages on slow networks: their bytes move, and no answer can come before the last of them has.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, publish, subscribed } from "./fakes.js";

const MEGABYTE = "x".repeat(1_000_000);

// A connection whose socket holds back what is sent.
function holding(t) {
    const there = connected(t, { chance: 0 });
    there.socket().holds = true;
    return there;
}

const isGivenUp = (socket) => socket.closedWith !== null;

// So many seconds pass, in each of which bytes leave.
function pass(there, seconds, bytes) {
    for (let second = 0; second < seconds; second++) {
        there.tick(1000);
        there.socket().leave(bytes);
    }
}

test("an upload whose bytes move is not given up, however slow", async (t) => {
    const there = holding(t);
    const published = there.client.publish("a", MEGABYTE);
    // 100 s for what is seen, and 50 s for what waits in the system's memory and the network.
    pass(there, 100, 10_100);
    assert.equal(there.socket().bufferedAmount, 0);
    pass(there, 50, 0);
    assert.equal(there.client.state, "open");
    there.socket().answer("publish", { type: "published", offset: 1, epoch: "e", subscribers: 0 });
    assert.equal((await published).offset, 1);
});

test("one whose bytes do not move is given up as any silence is", async (t) => {
    const there = holding(t);
    const published = there.client.publish("a", MEGABYTE);
    there.tick(19_999);
    assert.ok(!isGivenUp(there.socket()));
    there.tick(1);
    assert.ok(isGivenUp(there.sockets[0]));
    await assert.rejects(published, { code: "connection-lost" });
});

test("one that stops is given up in the end, and the next silence in the usual time", async (t) => {
    const there = holding(t);
    there.client.publish("a", MEGABYTE).catch(() => {});
    pass(there, 30, 10_000);
    there.chance.is = 0.5;
    assert.ok(!isGivenUp(there.socket()));
    pass(there, 80, 0);
    assert.ok(isGivenUp(there.sockets[0]));
    there.socket().open();
    there.socket().holds = true;
    there.client.publish("a", MEGABYTE).catch(() => {});
    pass(there, 30, 10_000);
    there.socket().say({ type: "broadcast", data: "" });
    const socket = there.socket();
    pass(there, 20, 0);
    assert.ok(isGivenUp(socket));
});

test("what only goes into the system's memory is no sign of life", (t) => {
    const there = holding(t);
    // As fast as it is sent, though nobody is there any more.
    for (let tenth = 0; tenth < 700; tenth++) {
        assert.ok(!isGivenUp(there.socket()), `after ${tenth / 10} s`);
        there.tick(100);
        there.socket().leave();
    }
    assert.ok(isGivenUp(there.sockets[0]));
});

test("a minute without an answer begins when the request has left", async (t) => {
    const there = holding(t);
    subscribed(there, "news");
    const codes = [];
    there.client.publish("a", MEGABYTE).catch(({ code }) => codes.push(code));
    for (let offset = 1; offset <= 25; offset++) {
        publish(there, "news", offset);
        pass(there, 4, 10_100);
    }
    for (let offset = 26; offset <= 40; offset++) {
        await null;
        assert.deepEqual(codes, [], `at offset ${offset}`);
        publish(there, "news", offset);
        pass(there, 4, 0);
    }
    for (let offset = 41; offset <= 45; offset++) {
        publish(there, "news", offset);
        pass(there, 4, 0);
    }
    await null;
    assert.deepEqual(codes, ["no-answer"]);
    assert.equal(there.client.state, "open");
});
