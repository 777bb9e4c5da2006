// Subscribing, and that several subscribers of a topic share what comes from the server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, publish, reconnect, simulate, subscribed } from "./fakes.js";

test("what is subscribed to before there is a connection is asked for as soon as there is one", (t) => {
    const there = simulate(t);
    const got = [];
    const subscription = there.client.subscribe("a", (message) => got.push(message));
    assert.equal(subscription.position, null);
    assert.deepEqual(there.socket().asked(), []);
    there.socket().open();
    const request = there.socket().answer("subscribe", { type: "subscribed", offset: 4, epoch: "e" });
    assert.deepEqual(request, { type: "subscribe", topic: "a", id: request.id });
    assert.deepEqual(subscription.position, { offset: 4, epoch: "e" });
    there.socket().say({ type: "message", topic: "a", offset: 5, data: "x\u{1f642}" });
    there.socket().say({ type: "message", topic: "a", offset: 6, base64: "AAH/" });
    assert.deepEqual(got, [
        { topic: "a", offset: 5, epoch: "e", data: "x\u{1f642}" },
        { topic: "a", offset: 6, epoch: "e", data: new Uint8Array([0, 1, 255]) },
    ]);
    assert.deepEqual(there.seen("message"), got);
    assert.deepEqual(there.seen("subscribed"), [{ topic: "a", offset: 4, epoch: "e", recovered: null }]);
    assert.deepEqual(there.seen("gap"), []);
    assert.deepEqual(there.seen("error"), []);
});

test("a handler finds the position of the message that it handles", (t) => {
    const there = connected(t);
    const positions = [];
    const handler = () => positions.push(subscription.position);
    const subscription = subscribed(there, "a", { handler });
    publish(there, "a", 1, 2);
    assert.deepEqual(positions, [{ offset: 1, epoch: "e" }, { offset: 2, epoch: "e" }]);
});

test("subscribers of a topic share one subscription", (t) => {
    const there = connected(t);
    const got = [];
    const one = subscribed(there, "a", { handler: ({ offset }) => got.push(`one ${offset}`) });
    publish(there, "a", 1);
    const two = there.client.subscribe("a", { message: ({ offset }) => got.push(`two ${offset}`) });
    assert.deepEqual(there.socket().asked(), []);
    assert.deepEqual(two.position, { offset: 1, epoch: "e" });
    publish(there, "a", 2);
    one.unsubscribe();
    one.unsubscribe();
    assert.equal(one.active, false);
    assert.equal(one.position, null);
    publish(there, "a", 3);
    assert.deepEqual(there.socket().asked(), []);
    assert.deepEqual(got, ["one 1", "one 2", "two 2", "two 3"]);
    assert.equal(there.seen("message").length, 3, "the client's listeners hear of each once");
    two.unsubscribe();
    const request = there.socket().answer("unsubscribe", { type: "unsubscribed" });
    assert.equal(request.topic, "a");
    assert.deepEqual(there.seen("error"), []);
});

test("what was on its way to a subscriber that has left is nobody's", (t) => {
    const there = connected(t);
    subscribed(there, "a").unsubscribe();
    publish(there, "a", 1);
    const got = [];
    there.client.subscribe("a", ({ offset }) => got.push(offset));
    publish(there, "a", 2);
    there.socket().answer("unsubscribe", { type: "unsubscribed" });
    there.socket().answer("subscribe", { type: "subscribed", offset: 7, epoch: "f" });
    publish(there, "a", 8);
    assert.deepEqual(got, [8]);
    assert.deepEqual([...there.seen("gap"), ...there.seen("error")], []);
});

test("who comes while the answer for one that has left is awaited gets a subscription of its own", (t) => {
    const there = connected(t);
    there.client.subscribe("a", () => assert.fail("it has left")).unsubscribe();
    const got = [];
    there.client.subscribe("a", ({ offset }) => got.push(offset), { since: { offset: 3, epoch: "e" } });
    there.socket().answer("subscribe", { type: "subscribed", offset: 5, epoch: "e" });
    publish(there, "a", 6);
    there.socket().answer("unsubscribe", { type: "unsubscribed" });
    const { since } = there.socket().answer("subscribe", { type: "subscribed", offset: 3, epoch: "e", recovered: true });
    assert.deepEqual(since, { offset: 3, epoch: "e" });
    publish(there, "a", 4, 5, 6);
    assert.deepEqual(got, [4, 5, 6]);
    assert.deepEqual(there.socket().asked(), []);
});

test("a topic that nobody wants any more is not asked for again", (t) => {
    const there = connected(t);
    const subscription = subscribed(there, "a");
    there.client.subscribe("b", () => {}).unsubscribe();
    there.socket().end();
    subscription.unsubscribe();
    there.wait();
    there.socket().open();
    assert.deepEqual(there.socket().asked(), []);
});

for (const code of ["forbidden", "bad-topic", "bad-request", "too-many-subscriptions", "too-many-topics", "already-subscribed"]) {
    test(`a topic that is refused with ${code} is over`, (t) => {
        const there = connected(t);
        const errors = [];
        const handlers = { message: () => assert.fail(), error: (error) => errors.push([error.code, error.message, error.topic]) };
        const subscriptions = [there.client.subscribe("a", handlers), there.client.subscribe("a", handlers)];
        there.socket().answer("subscribe", { type: "error", code, message: "no" });
        assert.deepEqual(errors, [[code, "no", "a"], [code, "no", "a"]]);
        assert.deepEqual(there.seen("error").map(({ code, topic }) => [code, topic]), [[code, "a"]]);
        assert.deepEqual(subscriptions.map(({ active }) => active), [false, false]);
        subscriptions.forEach((subscription) => subscription.unsubscribe());
        reconnect(there);
        assert.deepEqual(there.socket().asked(), []);
        subscribed(there, "a");
        publish(there, "a", 1);
        assert.equal(there.seen("message").length, 1, "it may be asked for again");
    });
}

for (const leaves of ["before", "after", "never"]) {
    test(`who subscribes anew when it is refused is not taken for the old one, which leaves ${leaves}`, (t) => {
        const there = connected(t);
        let second;
        const error = () => {
            if (leaves === "before") first.unsubscribe();
            second = there.client.subscribe("a", () => {});
            if (leaves === "after") first.unsubscribe();
        };
        const first = there.client.subscribe("a", { error });
        there.socket().answer("subscribe", { type: "error", code: "forbidden", message: "no" });
        there.socket().answer("subscribe", { type: "subscribed", offset: 0, epoch: "e" });
        publish(there, "a", 1);
        assert.deepEqual([first.active, second.active], [false, true]);
        assert.deepEqual(second.position, { offset: 1, epoch: "e" });
        assert.equal(there.seen("error").length, 1);
    });
}

test("what is refused to one that has left is not refused to who has come since", (t) => {
    const there = connected(t);
    there.client.subscribe("a", () => {}).unsubscribe();
    const subscription = there.client.subscribe("a", () => {});
    there.socket().answer("subscribe", { type: "error", code: "too-many-topics", message: "no" });
    there.socket().answer("subscribe", { type: "subscribed", offset: 0, epoch: "e" });
    publish(there, "a", 1);
    assert.deepEqual(subscription.position, { offset: 1, epoch: "e" });
    assert.deepEqual(there.seen("error"), []);
});

for (const code of ["busy", "unavailable"]) test(`a server that answers ${code} is asked again, later each time`, (t) => {
    const there = connected(t, { chance: 0.999 });
    const subscription = there.client.subscribe("a", () => {});
    for (const delay of [500, 1000, 2000]) {
        there.socket().answer("subscribe", { type: "error", code, message: "later" });
        there.tick(delay * 0.99);
        assert.deepEqual(there.socket().asked(), []);
        there.tick(delay * 0.01);
    }
    there.socket().answer("subscribe", { type: "subscribed", offset: 0, epoch: "e" });
    subscription.unsubscribe();
    there.socket().answer("unsubscribe", { type: "error", code, message: "later" });
    there.tick(500);
    there.socket().answer("unsubscribe", { type: "unsubscribed" });
    assert.deepEqual(there.seen("error"), []);
});

test("a busy server is not asked twice after a new connection", (t) => {
    const there = connected(t, { chance: 0.9 });
    there.client.subscribe("a", () => {});
    there.socket().answer("subscribe", { type: "error", code: "busy", message: "later" });
    there.chance.is = 0.1;
    there.socket().end();
    there.tick(50);
    there.socket().open();
    there.tick(5_000);
    assert.equal(there.socket().asked().length, 1);
});

test("messages that the server should not have sent are errors, and not delivered", (t) => {
    const there = connected(t);
    subscribed(there, "a", { offset: 5 });
    publish(there, "a", 6, 6, 5, 7);
    publish(there, "b", 1);
    assert.deepEqual(there.seen("message").map(({ offset }) => offset), [6, 7]);
    assert.deepEqual(
        there.seen("error").map(({ code, topic, message }) => [code, topic, message]),
        [
            ["protocol", "a", "the server has sent message 6 that comes after 6"],
            ["protocol", "a", "the server has sent message 5 that comes after 6"],
            ["protocol", "b", "the server has sent message 1 of a topic that is not subscribed to"],
        ],
    );
});

test("topics are whatever strings are", (t) => {
    const there = connected(t);
    for (const name of ["__proto__", "constructor", "a/b\u{1f642}", ""]) {
        subscribed(there, name);
        publish(there, name, 1);
    }
    assert.equal(there.seen("message").length, 4);
    assert.throws(() => there.client.subscribe(1, () => {}), TypeError);
    assert.throws(() => there.client.subscribe("a"), TypeError);
});

test("a topic that the address names, where topics-path makes it one, is told of", (t) => {
    const there = connected(t, { url: "ws://server/live" });
    there.socket().say({ type: "subscribed", topic: "live", offset: 3, epoch: "e" });
    const [{ code, topic, message }] = there.seen("error");
    assert.deepEqual([code, topic], ["protocol", "live"]);
    assert.match(message, /topics-path/);
});
