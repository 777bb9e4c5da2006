// Checked by tsc and never run: what applications write has types, and what they must not write is an error.

import { Client, ThrongError } from "../throng.js";
import type { Gap, Message, Position, Published, State, StateChange, Subscription, WebSocketLike } from "../throng.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function assertSame<A, B>(_: Same<A, B>): void {}

declare const Other: new (url: string, protocol: string) => WebSocketLike;

const client = new Client("ws://host/", { WebSocket: Other, silence: 1000 });
new Client(new URL("ws://host/"));
// @ts-expect-error: an address is needed
new Client();
// @ts-expect-error: silence is a number
new Client("ws://host/", { silence: "1 s" });
// @ts-expect-error: there is no such option
new Client("ws://host/", { retries: 3 });

assertSame<typeof client.state, State>(true);
// @ts-expect-error: the state is the client's own
client.state = "open";

const subscription: Subscription = client.subscribe("a", (message) => {
    assertSame<typeof message, Message>(true);
    const data: string | Uint8Array = message.data;
    // @ts-expect-error: it may be bytes
    data.toUpperCase();
});
assertSame<typeof subscription.position, Position | null>(true);
subscription.unsubscribe();
client.subscribe("a", {
    gap(gap) {
        assertSame<typeof gap, Gap>(true);
        assertSame<typeof gap.lost, number | null>(true);
        // @ts-expect-error: there is no such reason
        gap.reason === "lost";
    },
    subscribed: ({ recovered }) => assertSame<typeof recovered, boolean | null>(true),
    error: (error) => assertSame<typeof error, ThrongError>(true),
});
client.subscribe("a", async () => {});
client.subscribe("a", {}, { since: { offset: 1, epoch: "e" } });
client.on("message", (message) => client.subscribe("b", {}, { since: message }));
// @ts-expect-error: a position has an epoch
client.subscribe("a", {}, { since: { offset: 1 } });
// @ts-expect-error: there is no such handler
client.subscribe("a", { messages: () => {} });
// @ts-expect-error: a handler is needed
client.subscribe("a");

const off: () => void = client.on("state", (change) => {
    assertSame<typeof change, StateChange>(true);
    // @ts-expect-error: there is a delay only where the client waits
    change.delay;
    if (change.state === "waiting") {
        const delay: number = change.delay;
        return delay;
    }
});
off();
client.on("broadcast", ({ data }) => assertSame<typeof data, string | Uint8Array>(true));
// @ts-expect-error: there is no such event
client.on("messages", () => {});

const published: Promise<Published> = client.publish("a", new Uint8Array());
published.catch((error: ThrongError) => error.code);
// @ts-expect-error: objects are not messages
client.publish("a", {});
client.opened().then(() => client.close("done"));
assertSame<ThrongError["topic"], string | undefined>(true);
