// Every request comes to something, whatever the server answers or not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, FakeSocket, publish, settle, simulate } from "./fakes.js";

// All that was asked for but Pings.
const asked = (there) => there.socket().sent.map(({ type }) => type).filter((type) => type !== "ping");

// The server lives, and answers Pings.
function live(there, seconds) {
    for (let i = 0; i < seconds; i++) {
        there.tick(1000);
        const { type, id } = there.socket().sent.at(-1);
        type === "ping" && there.socket().say({ type: "pong", id });
    }
}

// Answers the last request of a type.
function answer(there, type, said) {
    const { id, topic } = there.socket().sent.findLast((request) => request.type === type);
    there.socket().say({ topic, ...said, id });
}

test("a publication that a server which lives does not answer fails after a minute", async (t) => {
    const there = connected(t);
    const published = there.client.publish("a", "x");
    there.socket().say({ type: "error", code: "bad-request", message: "what?" });
    let code;
    published.catch((error) => (code = error.code));
    live(there, 59);
    await settle();
    assert.equal(code, undefined);
    live(there, 1);
    await settle();
    assert.equal(code, "no-answer");
    assert.equal(there.client.state, "open");
    const before = there.socket().sent.length;
    there.tick(30_000);
    assert.equal(there.socket().sent.length, before, "nothing is owed any more, and nobody asks every 10 s");
});

test("of many that are not answered each fails in its own time", async (t) => {
    const there = connected(t);
    const failed = [];
    const publish = (data) => there.client.publish("a", data).catch(({ code }) => failed.push([data, code]));
    publish("1");
    publish("2");
    live(there, 30);
    publish("3");
    live(there, 30);
    await settle();
    assert.deepEqual(failed, [["1", "no-answer"], ["2", "no-answer"]]);
    live(there, 30);
    await settle();
    assert.deepEqual(failed.at(-1), ["3", "no-answer"]);
    assert.equal(there.client.state, "open");
});

test("a Ping without an answer is nobody's loss where other things come", (t) => {
    const there = connected(t, { chance: 0 });
    there.tick(60_000);
    for (let i = 0; i < 20; i++) {
        there.tick(5_000);
        there.socket().say({ type: "broadcast", data: "x" });
    }
    assert.equal(there.client.state, "open");
    assert.deepEqual(there.seen("error"), []);
});

test("a subscription that it does not answer is refused, and the topic can be subscribed to again", (t) => {
    const there = connected(t);
    const errors = [];
    const first = there.client.subscribe("a", { error: (error) => errors.push([error.code, error.topic]) });
    live(there, 59);
    assert.deepEqual([errors.length, first.active], [0, true]);
    live(there, 1);
    assert.deepEqual([errors, first.active], [[["no-answer", "a"]], false]);
    const got = [];
    const second = there.client.subscribe("a", ({ offset }) => got.push(offset));
    // It may have been subscribed to without a word.
    answer(there, "unsubscribe", { type: "error", code: "not-subscribed", message: "no" });
    answer(there, "subscribe", { type: "subscribed", offset: 4, epoch: "e" });
    publish(there, "a", 5);
    assert.deepEqual([got, second.active], [[5], true]);
});

test("an answer that comes after all is nobody's", (t) => {
    const there = connected(t);
    there.client.subscribe("a", { error() {} });
    const [{ id }] = there.socket().sent;
    live(there, 60);
    const got = [];
    there.client.subscribe("a", ({ offset }) => got.push(offset));
    there.socket().say({ type: "subscribed", topic: "a", offset: 1, epoch: "e", id });
    publish(there, "a", 2);
    answer(there, "unsubscribe", { type: "unsubscribed" });
    answer(there, "subscribe", { type: "subscribed", offset: 2, epoch: "e" });
    there.socket().say({ type: "subscribed", topic: "a", offset: 9, epoch: "e", id });
    publish(there, "a", 3);
    assert.deepEqual(got, [3]);
    assert.deepEqual(there.seen("gap"), []);
});

test("one that leaves without an answer does not keep the topic from who comes next", (t) => {
    const there = connected(t);
    const first = there.client.subscribe("a", () => {});
    answer(there, "subscribe", { type: "subscribed", offset: 0, epoch: "e" });
    first.unsubscribe();
    there.client.subscribe("a", () => {});
    live(there, 59);
    assert.deepEqual(asked(there), ["subscribe", "unsubscribe"]);
    live(there, 1);
    assert.deepEqual(asked(there), ["subscribe", "unsubscribe", "subscribe"]);
    assert.deepEqual(there.seen("error"), []);
});

const WRONG = [
    { type: "pong" },
    { type: "news" },
    { type: "published", offset: "1", epoch: "e" },
    { type: "published", offset: 1.5, epoch: "e" },
    { type: "subscribed", offset: 1 },
    { type: "subscribed", offset: -1, epoch: "e" },
];
for (const wrong of WRONG) {
    test(`what is no answer to the request fails it: ${JSON.stringify(wrong)}`, async (t) => {
        const there = connected(t);
        const published = there.client.publish("a", "x");
        answer(there, "publish", wrong);
        await assert.rejects(published, { code: "protocol", topic: "a" });
        const subscription = there.client.subscribe("a", () => {});
        answer(there, "subscribe", wrong);
        assert.equal(subscription.active, false);
        assert.deepEqual(there.seen("error").map(({ code, topic }) => [code, topic]), [["protocol", "a"]]);
        assert.deepEqual(asked(there), ["publish", "subscribe", "unsubscribe"], "it may have been subscribed to");
        assert.equal(there.client.state, "open");
    });
}

for (const since of [{ offset: "12", epoch: "e" }, { offset: -1, epoch: "e" }, { offset: 1.5, epoch: "e" }, { offset: 1n, epoch: "e" },
    { offset: NaN, epoch: "e" }, { offset: 2 ** 53, epoch: "e" }, { offset: 1 }, { offset: 1, epoch: 7 }, { offset: 1, epoch: "\ud83d" },
    { offset: 1, epoch: "x".repeat(256) }, "12", 7, true]) {
    test(`a position that is none is refused at once: ${typeof since === "object" ? Object.values(since).map(String) : since}`, (t) => {
        const there = connected(t);
        assert.throws(() => there.client.subscribe("a", () => {}, { since }), TypeError);
        assert.deepEqual(asked(there), []);
        there.client.subscribe("a", () => {});
        assert.deepEqual(asked(there), ["subscribe"]);
    });
}

test("listeners are functions", (t) => {
    const there = connected(t);
    for (const listener of [undefined, null, {}, "x"]) {
        assert.throws(() => there.client.on("message", listener), TypeError);
    }
});

test("a socket that takes nothing is a connection that is lost", async (t) => {
    const there = connected(t, { chance: 1 });
    const send = () => {
        throw new Error("no");
    };
    there.socket().send = send;
    await assert.rejects(there.client.publish("a", "x"), { code: "connection-lost" });
    assert.equal(there.client.state, "waiting");
    assert.equal(there.seen("state").at(-1).reason, "Error: no");
    there.client.subscribe("a", () => {});
    there.wait();
    there.socket().send = send;
    there.socket().open();
    there.wait();
    there.socket().open();
    assert.deepEqual(asked(there), ["subscribe"]);
});

test("of several that wait for the server's first words, each comes to something when the socket fails", async (t) => {
    const there = simulate(t);
    there.socket().open("throng.v1", null);
    const all = [1, 2, 3].map(() => there.client.publish("a", "x").catch(({ code }) => code));
    there.socket().send = () => {
        throw new Error("no");
    };
    there.socket().say({ type: "welcome", max_message: 10 });
    assert.deepEqual(await Promise.all(all), ["connection-lost", "not-connected", "not-connected"]);
    assert.equal(there.seen("state").filter(({ state }) => state === "waiting").length, 1);
});

test("opened() is not kept by a connection that a listener ends", async (t) => {
    const there = simulate(t);
    let opened = false;
    there.client.opened().then(() => (opened = true));
    const off = there.client.on("state", ({ state }) => state === "open" && there.socket().end());
    there.socket().open();
    await settle();
    assert.equal(opened, false);
    off();
    there.wait();
    there.socket().open();
    await settle();
    assert.equal(opened, true);
    assert.equal(FakeSocket.made.length, 2);
});

test("messages that nobody can read are errors, and not delivered", (t) => {
    const there = connected(t);
    there.client.subscribe("a", () => {});
    answer(there, "subscribe", { type: "subscribed", offset: 0, epoch: "e" });
    for (const broken of [{ data: 7 }, {}, { base64: "?" }, { base64: 7.5 }]) {
        there.socket().say({ type: "message", topic: "a", offset: 1, ...broken });
        there.socket().say({ type: "broadcast", ...broken });
    }
    for (const offset of ["1", null, 1.5, {}]) {
        there.socket().say({ type: "message", topic: "a", offset, data: "x" });
    }
    there.socket().say({ type: "subscribed", topic: "a", offset: "7", epoch: "e" });
    assert.deepEqual([...there.seen("message"), ...there.seen("broadcast"), ...there.seen("gap")], []);
    assert.ok(there.seen("error").every(({ code }) => code === "protocol"));
    assert.equal(there.seen("error").length, 13);
    publish(there, "a", 1);
    assert.equal(there.seen("message").length, 1);
    assert.equal(there.client.state, "open");
});
