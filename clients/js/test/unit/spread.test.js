// Clients that lose a server which says over what time they shall come back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connected } from "./fakes.js";

// The delays of clients that have lost the same server at the same moment, with dice that show each number in turn.
function delays(t, count, within, code = 1012) {
    return Array.from({ length: count }, (_, i) => {
        const there = connected(t, { chance: (i + 0.5) / count });
        if (within !== undefined) {
            there.socket().say({ type: "reconnect", within });
        }
        there.socket().end(code);
        const { delay } = there.seen("state").at(-1);
        assert.equal(there.sockets.length, 1);
        there.wait();
        assert.equal(there.sockets.length, 2);
        t.mock.reset();
        return delay;
    });
}

// The most of them in any tenth of a second.
function crowd(delays) {
    const tenths = new Map();
    for (const delay of delays) {
        const tenth = Math.floor(delay / 100);
        tenths.set(tenth, (tenths.get(tenth) ?? 0) + 1);
    }
    return Math.max(...tenths.values());
}

for (const code of [1001, 1012]) {
    test(`a thousand clients come back spread over what the server says before ${code}`, (t) => {
        assert.equal(crowd(delays(t, 1000, undefined, code)), 200, "within half a second, where it says nothing");
        const spread = delays(t, 1000, 10_000, code);
        assert.equal(crowd(spread), 10);
        assert.deepEqual([Math.min(...spread), Math.max(...spread)], [5, 9995]);
    });
}

test("attempts that fail meanwhile do not close the ranks", (t) => {
    const there = connected(t, { chance: 1 });
    there.socket().say({ type: "reconnect", within: 10_000 });
    there.socket().end(1012);
    for (let i = 0; i < 7; i++) {
        there.wait();
        there.socket().end();
    }
    const waited = there.seen("state").filter(({ state }) => state === "waiting").map(({ delay }) => delay);
    assert.deepEqual(waited, [10_000, 10_000, 10_000, 10_000, 10_000, 16_000, 30_000, 30_000]);
});

test("what one server said is forgotten with the next", (t) => {
    const there = connected(t, { chance: 1 });
    there.socket().say({ type: "reconnect", within: 10_000 });
    there.socket().end(1001);
    there.wait();
    there.socket().open();
    there.tick(10_000);
    there.socket().end(1006);
    assert.equal(there.seen("state").at(-1).delay, 500);
});

test("a connection that breaks before the Close comes back in the same way", (t) => {
    const there = connected(t, { chance: 1 });
    there.socket().say({ type: "reconnect", within: 10_000 });
    there.socket().end(1006);
    assert.equal(there.seen("state").at(-1).delay, 10_000);
});

for (const [within, delay] of [[1e12, 3_600_000], [Infinity, 500], [100, 500], [0, 500], [-5, 500], ["x", 500], [null, 500], [undefined, 500]]) {
    test(`a time of ${within} is at most an hour, and no less than without one`, (t) => {
        const there = connected(t, { chance: 1 });
        there.socket().say({ type: "reconnect", within });
        there.socket().end(1012);
        assert.equal(there.seen("state").at(-1).delay, delay);
        assert.deepEqual(there.seen("error"), []);
    });
}
