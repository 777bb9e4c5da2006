// Publishing, and what its promise comes to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, settle, simulate } from "./fakes.js";

test("text and bytes are sent, and the answer is what the promise comes to", async (t) => {
    const there = connected(t);
    const text = there.client.publish("a", "x\u{1f642}\n\"");
    const binary = there.client.publish("b/c", new Uint8Array([0, 1, 254, 255]).subarray(1));
    const asked = there.socket().asked().map(({ id, ...rest }) => rest);
    assert.deepEqual(asked, [
        { type: "publish", topic: "a", data: "x\u{1f642}\n\"" },
        { type: "publish", topic: "b/c", base64: "Af7/" },
    ]);
    const [first, second] = there.socket().sent;
    assert.notEqual(first.id, second.id);
    there.socket().say({ type: "published", id: second.id, topic: "b/c", offset: 7, epoch: "f", subscribers: 0 });
    there.socket().say({ type: "published", id: first.id, topic: "a", offset: 1, epoch: "e", subscribers: 3 });
    assert.deepEqual(await text, { topic: "a", offset: 1, epoch: "e", subscribers: 3 });
    assert.deepEqual(await binary, { topic: "b/c", offset: 7, epoch: "f", subscribers: 0 });
});

test("many bytes are sent as they are", (t) => {
    const there = connected(t);
    const bytes = Uint8Array.from({ length: 1_000_003 }, (_, i) => (i * 31) >> 3);
    there.client.publish("a", bytes).catch(() => {});
    assert.deepEqual(Buffer.from(there.socket().sent[0].base64, "base64"), Buffer.from(bytes));
});

test("the server's error is the promise's", async (t) => {
    const there = connected(t);
    const published = there.client.publish("a", "x");
    there.socket().answer("publish", { type: "error", code: "forbidden", message: "not you" });
    await assert.rejects(published, { name: "ThrongError", code: "forbidden", message: "not you", topic: "a" });
    assert.deepEqual(there.seen("error"), [], "the caller knows");
});

test("nothing is published later, without a connection", async (t) => {
    const there = simulate(t);
    await assert.rejects(there.client.publish("a", "x"), { code: "not-connected" });
    there.socket().end();
    await assert.rejects(there.client.publish("a", "x"), { code: "not-connected" });
    there.tick(30_000);
    there.socket().open();
    assert.deepEqual(there.socket().asked(), []);
    there.client.close();
    await assert.rejects(there.client.publish("a", "x"), { code: "not-connected" });
});

for (const [how, act] of [["the server", (there) => there.socket().end()], ["close()", (there) => there.client.close()]]) {
    test(`a connection that ${how} ends before the answer leaves it open what has become of the message`, async (t) => {
        const there = connected(t);
        const published = there.client.publish("a", "x");
        act(there);
        await assert.rejects(published, { code: "connection-lost", topic: "a" });
        there.tick(30_000);
        if (how === "the server") {
            there.socket().open();
            assert.deepEqual(there.socket().asked(), [], "it is not sent again");
        }
    });
}

test("an answer of an old connection is not taken for one of the new", async (t) => {
    const there = connected(t);
    const first = there.client.publish("a", "x");
    const { id } = there.socket().sent[0];
    there.socket().end();
    await assert.rejects(first, { code: "connection-lost" });
    there.tick(30_000);
    there.socket().open();
    let done = false;
    const second = there.client.publish("a", "y").finally(() => (done = true));
    second.catch(() => {});
    there.socket().say({ type: "published", id, topic: "a", offset: 1, epoch: "e", subscribers: 3 });
    await settle();
    assert.equal(done, false);
});

test("what is no message is refused", async (t) => {
    const there = connected(t);
    for (const data of [undefined, null, 1, {}, [1], new ArrayBuffer(1)]) {
        await assert.rejects(there.client.publish("a", data), TypeError);
    }
    await assert.rejects(there.client.publish(7, "x"), TypeError);
    assert.deepEqual(there.socket().asked(), []);
});
