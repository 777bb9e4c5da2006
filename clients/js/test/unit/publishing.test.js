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
    there.wait();
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
        if (how === "the server") {
            there.wait();
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
    there.wait();
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
    for (const topic of [7, undefined, null, 1n, Symbol("a"), {}]) {
        await assert.rejects(there.client.publish(topic, "x"), TypeError);
    }
    assert.deepEqual(there.socket().asked(), []);
    assert.equal(there.client.state, "open");
});

for (const fallback of [false, true]) {
    test(`half a character is refused before it is sent, ${fallback ? "also where strings cannot be asked" : "in data and topics"}`, async (t) => {
        const there = connected(t);
        if (fallback) {
            const { isWellFormed } = String.prototype;
            String.prototype.isWellFormed = undefined;
            t.after(() => (String.prototype.isWellFormed = isWellFormed));
        }
        for (const half of ["\ud83d", "x\ude42", "\ude42\ud83d"]) {
            await assert.rejects(there.client.publish("a", half), TypeError);
            await assert.rejects(there.client.publish(half, "x"), TypeError);
            assert.throws(() => there.client.subscribe(half, () => {}), TypeError);
        }
        assert.deepEqual(there.socket().asked(), []);
        there.client.publish("\u{1f642}", "\u{1f642}").catch(() => {});
        assert.equal(there.socket().asked().length, 1);
    });
}

test("a topic has at most 255 bytes", async (t) => {
    const there = connected(t);
    there.client.publish("\u20ac".repeat(85), "x").catch(() => {});
    await assert.rejects(there.client.publish("\u20ac".repeat(85) + "x", "x"), TypeError);
    assert.throws(() => there.client.subscribe("x".repeat(256), () => {}), TypeError);
    assert.equal(there.socket().asked().length, 1);
});

test("what is larger than the server takes is refused before it is sent, by its bytes", async (t) => {
    const there = simulate(t);
    there.socket().open("throng.v1", { max_message: 9 });
    const refused = [new Uint8Array(10), "0123456789", "\u20ac\u20ac\u20acx"];
    for (const data of refused) {
        const message = "not published: it has 10 bytes, and the server takes 9";
        await assert.rejects(there.client.publish("a", data), { code: "too-large", topic: "a", message });
    }
    assert.deepEqual(there.socket().asked(), []);
    for (const data of [new Uint8Array(9), "012345678", "\u20ac\u20ac\u20ac"]) {
        there.client.publish("a", data).catch(() => {});
    }
    assert.equal(there.socket().asked().length, 3);
    there.socket().end();
    there.wait();
    there.socket().open("throng.v1", { max_message: 10 });
    refused.forEach((data) => there.client.publish("a", data).catch(() => {}));
    assert.equal(there.socket().asked().length, 3, "the next connection has its own limit");
});

test("what is published before the server's first words waits for them, in order, and has its own bytes", async (t) => {
    const there = simulate(t);
    there.socket().open("throng.v1", null);
    const bytes = new Uint8Array([1, 2]);
    const large = there.client.publish("a", "0123456789");
    there.client.publish("a", bytes).catch(() => {});
    there.client.publish("a", "x").catch(() => {});
    bytes.fill(0);
    assert.deepEqual(there.socket().asked().map(({ type }) => type), ["ping"], "a server that gives no welcome answers");
    there.socket().say({ type: "welcome", max_message: 9 });
    await assert.rejects(large, { code: "too-large" });
    there.client.publish("a", "y").catch(() => {});
    assert.deepEqual(there.socket().asked().map(({ data, base64 }) => data ?? base64), ["AQI=", "x", "y"]);
});

test("of a server without a welcome nothing is known, and it is sent what there is", (t) => {
    const there = simulate(t);
    there.socket().open("throng.v1", null);
    there.client.publish("a", "x".repeat(10_000_000)).catch(() => {});
    there.client.publish("a", "y").catch(() => {});
    there.socket().answer("ping", { type: "pong" });
    assert.deepEqual(there.socket().asked().map(({ data }) => data.length), [10_000_000, 1]);
    for (const max_message of [0, -1, "x", null, undefined, {}]) {
        there.socket().end();
        there.wait();
        there.socket().open("throng.v1", { max_message });
        there.client.publish("a", "0123456789").catch(() => {});
        assert.equal(there.socket().asked().length, 1, `a limit of ${max_message}`);
    }
});

test("what waited for the server's first words and was not sent was not published", async (t) => {
    for (const act of [(there) => there.socket().end(), (there) => there.client.close()]) {
        const there = simulate(t);
        there.socket().open("throng.v1", null);
        const published = there.client.publish("a", "x");
        act(there);
        await assert.rejects(published, { code: "not-connected" });
        t.mock.reset();
    }
});

test("nothing is given to a connection that is closing", async (t) => {
    const there = connected(t);
    there.socket().readyState = 2;
    await assert.rejects(there.client.publish("a", "x"), { code: "not-connected" });
    assert.deepEqual(there.socket().asked(), []);
});
