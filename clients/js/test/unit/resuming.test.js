// Coming back to a position, and gaps.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, publish, reconnect, subscribed } from "./fakes.js";

const offsets = (there) => there.seen("message").map(({ offset }) => offset);

// Expects to be asked for everything since a position, and answers.
function resumed(there, since, answer) {
    assert.deepEqual(there.socket().answer("subscribe", { type: "subscribed", ...answer }).since, since);
}

test("the client comes back to the last message it had, and there is no gap", (t) => {
    const there = connected(t);
    const subscription = subscribed(there, "a", { offset: 2 });
    publish(there, "a", 3, 4);
    reconnect(there);
    resumed(there, { offset: 4, epoch: "e" }, { offset: 4, epoch: "e", recovered: true });
    publish(there, "a", 5, 6);
    assert.deepEqual(offsets(there), [3, 4, 5, 6]);
    assert.deepEqual(there.seen("subscribed").map(({ recovered }) => recovered), [null, true]);
    assert.deepEqual([...there.seen("gap"), ...there.seen("error")], []);
    assert.deepEqual(subscription.position, { offset: 6, epoch: "e" });
});

test("one that has had no message yet comes back to where it began", (t) => {
    const there = connected(t);
    subscribed(there, "a", { offset: 2 });
    reconnect(there);
    reconnect(there);
    resumed(there, { offset: 2, epoch: "e" }, { offset: 2, epoch: "e", recovered: true });
});

test("one that was never told of a position misses nothing that it could name", (t) => {
    const there = connected(t);
    there.client.subscribe("a", () => {});
    reconnect(there);
    resumed(there, undefined, { offset: 9, epoch: "e" });
    assert.deepEqual(there.seen("gap"), []);
});

test("what the history does not have any more is a gap of known size", (t) => {
    const there = connected(t);
    const gaps = [];
    subscribed(there, "a", { offset: 2, handler: { gap: (gap) => gaps.push(gap) } });
    reconnect(there);
    resumed(there, { offset: 2, epoch: "e" }, { offset: 7, epoch: "e", recovered: false });
    const wanted = [{ topic: "a", from: { offset: 2, epoch: "e" }, to: { offset: 7, epoch: "e" }, lost: 5, reason: "expired" }];
    assert.deepEqual(gaps, wanted);
    assert.deepEqual(there.seen("gap"), wanted);
    publish(there, "a", 8);
    assert.deepEqual(offsets(there), [8]);
    reconnect(there);
    resumed(there, { offset: 8, epoch: "e" }, { offset: 8, epoch: "e", recovered: true });
    assert.equal(there.seen("gap").length, 1);
});

test("another epoch is a gap of unknown size, even where offsets are the same", (t) => {
    const there = connected(t);
    subscribed(there, "a", { offset: 2 });
    reconnect(there);
    resumed(there, { offset: 2, epoch: "e" }, { offset: 2, epoch: "f", recovered: false });
    assert.deepEqual(there.seen("gap"), [
        { topic: "a", from: { offset: 2, epoch: "e" }, to: { offset: 2, epoch: "f" }, lost: null, reason: "epoch" },
    ]);
    publish(there, "a", 3);
    reconnect(there);
    resumed(there, { offset: 3, epoch: "f" }, { offset: 3, epoch: "f", recovered: true });
});

test("a gap is told before what follows it", (t) => {
    const there = connected(t);
    const order = [];
    const handler = {
        gap: () => order.push("gap"),
        subscribed: () => order.push("subscribed"),
        message: ({ offset }) => order.push(offset),
    };
    subscribed(there, "a", { handler });
    reconnect(there);
    resumed(there, { offset: 0, epoch: "e" }, { offset: 3, epoch: "e", recovered: false });
    publish(there, "a", 4, 6);
    assert.deepEqual(order, ["subscribed", "gap", "subscribed", 4, "gap", 6]);
});

test("messages that the topic's rule left out are a gap", (t) => {
    const there = connected(t);
    const subscription = subscribed(there, "a", { offset: 2 });
    publish(there, "a", 3, 7);
    assert.deepEqual(there.seen("gap"), [
        { topic: "a", from: { offset: 3, epoch: "e" }, to: { offset: 6, epoch: "e" }, lost: 3, reason: "dropped" },
    ]);
    assert.deepEqual(offsets(there), [3, 7]);
    assert.deepEqual(subscription.position, { offset: 7, epoch: "e" });
});

test("what is forgotten while the rest of it is read is a gap as well", (t) => {
    const there = connected(t);
    const subscription = subscribed(there, "a", { offset: 2 });
    reconnect(there);
    resumed(there, { offset: 2, epoch: "e" }, { offset: 2, epoch: "e", recovered: true });
    publish(there, "a", 3, 4);
    there.socket().say({ type: "subscribed", topic: "a", offset: 8, epoch: "e", recovered: false });
    publish(there, "a", 9);
    assert.deepEqual(there.seen("gap"), [
        { topic: "a", from: { offset: 4, epoch: "e" }, to: { offset: 8, epoch: "e" }, lost: 4, reason: "expired" },
    ]);
    assert.deepEqual(offsets(there), [3, 4, 9]);
    subscription.unsubscribe();
    there.socket().say({ type: "subscribed", topic: "a", offset: 12, epoch: "e", recovered: false });
    assert.equal(there.seen("gap").length, 1, "nobody is there to be told");
    assert.deepEqual(there.seen("error"), []);
});

test("a position that was stored is where the client begins", (t) => {
    const there = connected(t);
    const stored = JSON.parse(JSON.stringify({ topic: "a", offset: 40, epoch: "e", data: "a message will do" }));
    there.client.subscribe("a", () => {}, { since: stored });
    resumed(there, { offset: 40, epoch: "e" }, { offset: 40, epoch: "e", recovered: true });
    publish(there, "a", 41);
    assert.deepEqual(offsets(there), [41]);
    there.client.subscribe("b", () => {}, { since: { offset: 1, epoch: "old" } });
    resumed(there, { offset: 1, epoch: "old" }, { offset: 0, epoch: "new", recovered: false });
    assert.deepEqual(there.seen("gap").map(({ topic, lost }) => [topic, lost]), [["b", null]]);
});

test("a stored position beyond what there is is not one of this epoch", (t) => {
    const there = connected(t);
    there.client.subscribe("a", () => {}, { since: { offset: 40, epoch: "e" } });
    resumed(there, { offset: 40, epoch: "e" }, { offset: 3, epoch: "e", recovered: false });
    assert.deepEqual(there.seen("gap").map(({ lost, reason }) => [lost, reason]), [[null, "epoch"]]);
    publish(there, "a", 4);
    assert.deepEqual(offsets(there), [4]);
});

test("a stored position is kept over connections that end before the answer", (t) => {
    const there = connected(t);
    there.client.subscribe("a", () => {}, { since: { offset: 40, epoch: "e" } });
    reconnect(there);
    resumed(there, { offset: 40, epoch: "e" }, { offset: 40, epoch: "e", recovered: true });
});

test("the past cannot be had of a topic with subscribers", (t) => {
    const there = connected(t);
    const since = { offset: 1, epoch: "e" };
    const subscription = subscribed(there, "a", { offset: 5 });
    assert.throws(() => there.client.subscribe("a", () => {}, { since }), { code: "already-subscribed", topic: "a" });
    assert.deepEqual(subscription.position, { offset: 5, epoch: "e" });
    subscription.unsubscribe();
    there.client.subscribe("a", () => {}, { since });
    there.socket().answer("unsubscribe", { type: "unsubscribed" });
    resumed(there, since, { offset: 1, epoch: "e", recovered: true });
});

test("an answer that does not say whether all follows is taken for a gap", (t) => {
    const there = connected(t);
    subscribed(there, "a");
    reconnect(there);
    resumed(there, { offset: 0, epoch: "e" }, { offset: 9, epoch: "e" });
    assert.equal(there.seen("gap").length, 1);
});
