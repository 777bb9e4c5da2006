// Listeners and handlers, whatever they do; broadcasts; what the server says wrong; and the constructor's arguments.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../../throng.js";
import { connected, FakeSocket, publish, settle, simulate, subscribed } from "./fakes.js";

const mistake = () => {
    throw new Error("a mistake");
};

test("a handler that throws disturbs nobody, and is told of", (t) => {
    const there = connected(t);
    const got = [];
    const subscription = subscribed(there, "a", { handler: mistake });
    there.client.subscribe("a", ({ offset }) => got.push(offset));
    publish(there, "a", 1, 2);
    assert.deepEqual(got, [1, 2]);
    assert.deepEqual(subscription.position, { offset: 2, epoch: "e" });
    assert.equal(there.client.state, "open");
    const [error, ...others] = there.seen("error");
    assert.equal(others.length, 1);
    assert.deepEqual([error.code, error.message], ["handler", "a handler of message threw: Error: a mistake"]);
    assert.equal(error.cause.message, "a mistake");
});

test("so is one whose promise fails", async (t) => {
    const there = connected(t);
    subscribed(there, "a", { handler: async () => mistake() });
    publish(there, "a", 1);
    await settle();
    assert.equal(there.seen("error")[0].cause.message, "a mistake");
});

test("listeners of every event may throw", (t) => {
    const there = simulate(t);
    for (const name of ["state", "subscribed", "message", "gap", "broadcast", "error"]) {
        there.client.on(name, mistake);
    }
    there.client.subscribe("a", { message: mistake, gap: mistake, subscribed: mistake, error: mistake });
    there.socket().open();
    there.socket().answer("subscribe", { type: "subscribed", offset: 0, epoch: "e" });
    publish(there, "a", 3);
    there.socket().say({ type: "broadcast", data: "x" });
    there.socket().say({ type: "error", code: "bad-request", message: "what?" });
    there.socket().end();
    there.wait();
    there.socket().open();
    assert.equal(there.client.state, "open");
    assert.equal(there.seen("message").length, 1);
    assert.equal(there.seen("broadcast").length, 1);
    assert.ok(there.shown().every(({ message }) => message === "a mistake"), "of failing listeners of errors the console tells");
    assert.ok(there.shown().length > 5);
});

test("an error that nobody listens for is on the console", (t) => {
    const there = connected(t, { deafToErrors: true });
    subscribed(there, "a", { handler: mistake });
    publish(there, "a", 1);
    assert.deepEqual(there.shown().map(({ code }) => code), ["handler"]);
    there.client.on("error", () => {});
    publish(there, "a", 2);
    assert.equal(there.shown().length, 1);
});

test("a listener can be taken off, and a handler end others while they are called", (t) => {
    const there = connected(t);
    const got = [];
    const off = there.client.on("message", () => got.push("listener"));
    const one = subscribed(there, "a", {
        handler: () => {
            two.unsubscribe();
            there.client.subscribe("a", () => got.push("three"));
            one.unsubscribe();
        },
    });
    const two = there.client.subscribe("a", () => got.push("two"));
    publish(there, "a", 1);
    assert.deepEqual(got, ["listener"], "two has ended, and three came after the message");
    off();
    off();
    publish(there, "a", 2);
    assert.deepEqual(got, ["listener", "three"]);
});

test("a client that is closed in a handler says nothing more", (t) => {
    const there = connected(t);
    subscribed(there, "a", { handler: () => there.client.close() });
    there.client.subscribe("a", () => assert.fail("it is closed"));
    publish(there, "a", 1, 2);
    assert.equal(there.seen("message").length, 1);
    assert.equal(there.client.state, "closed");
});

test("handlers are called as methods", (t) => {
    const there = connected(t);
    const handler = {
        got: [],
        message({ offset }) {
            this.got.push(offset);
        },
    };
    subscribed(there, "a", { handler });
    publish(there, "a", 1);
    assert.deepEqual(handler.got, [1]);
});

test("broadcasts are of no topic", (t) => {
    const there = connected(t);
    there.socket().say({ type: "broadcast", data: "x" });
    there.socket().say({ type: "broadcast", base64: "" });
    assert.deepEqual(there.seen("broadcast"), [{ data: "x" }, { data: new Uint8Array() }]);
});

test("errors that answer nothing are told", (t) => {
    const there = connected(t);
    there.socket().say({ type: "error", code: "bad-request", message: "what?", topic: "a" });
    const [{ code, message, topic }] = there.seen("error");
    assert.deepEqual([code, message, topic], ["bad-request", "what?", "a"]);
});

test("what later servers may say is ignored", (t) => {
    const there = connected(t);
    there.socket().say({ type: "news", topic: "a", offset: 1 });
    there.socket().say({ type: "pong", id: 12_345 });
    there.socket().say({ type: "pong" });
    const waits = there.client.subscribe("b", () => {});
    there.socket().say({ type: "subscribed", topic: "b", offset: 3, epoch: "x" });
    assert.equal(waits.position, null, "its own answer is yet to come");
    there.socket().answer("subscribe", { type: "subscribed", offset: 4, epoch: "e" });
    subscribed(there, "a", { more: { of: "it" } });
    assert.equal(there.client.state, "open");
    assert.deepEqual(there.seen("error"), []);
});

for (const text of ["{", "null", "[]", "7", '{"topic":"a"}', new ArrayBuffer(2)]) {
    test(`what is no message ends the connection, and the client comes back: ${text}`, (t) => {
        const there = connected(t);
        there.socket().sayText(text);
        assert.deepEqual(there.seen("error").map(({ code }) => code), ["protocol"]);
        assert.equal(there.client.state, "waiting");
        assert.ok(there.socket().closedWith);
        there.wait();
        there.socket().open();
        there.client.on("error", () => there.client.close());
        there.socket().sayText(text);
        assert.equal(there.client.state, "closed");
    });
}

test("addresses are of WebSockets, without topics", (t) => {
    for (const [given, used] of [
        ["ws://host:1/a?b=c#d", "ws://host:1/a?b=c"],
        ["http://host/", "ws://host/"],
        [new URL("https://host/x"), "wss://host/x"],
    ]) {
        const there = simulate(t, { url: given });
        assert.equal(there.socket().url, used);
        t.mock.reset();
    }
    const make = (url, options) => () => new Client(url, { WebSocket: FakeSocket, ...options });
    for (const url of ["", "/relative", "ftp://host/", "ws://host/topics/a", "ws://host/?topic=a"]) {
        assert.throws(make(url), (error) => error instanceof SyntaxError || error instanceof TypeError, url);
    }
    for (const silence of [0, -1, NaN, "x"]) {
        assert.throws(make("ws://host/", { silence }), RangeError);
    }
    assert.throws(make("ws://host/", { WebSocket: null }), /pass one/);
});

test("in a page, addresses may be relative to it", (t) => {
    globalThis.location = { href: "https://example.org/app/index.html" };
    t.after(() => delete globalThis.location);
    assert.equal(simulate(t, { url: "/live" }).socket().url, "wss://example.org/live");
});
