// What the client must do with a real server: the same in Node.js and in browsers. Whoever plays it sees to it that a server is there,
// which is killed and started by POSTs to /control/NAME of `origin` (scripts/lib/clients/stage.py).

import { Client } from "../../throng.js";

// The machine may be busy with other things. What should come does so much sooner.
const PATIENCE = 60_000;

// Plays all parts in order; the first that fails ends it.
//   report    takes the names of all parts, then each that has passed with its time, and returns a promise
export async function play({ origin, WebSocket, report }) {
    await report({ parts: parts.map((part) => part.name) });
    const control = async (action, asked = {}) => {
        const response = await fetch(`${origin}/control/${action}`, { method: "POST", body: JSON.stringify(asked) });
        if (!response.ok) {
            throw new Error(`${action}: ${await response.text()}`);
        }
        return response.json();
    };
    const { server, link } = await control("addresses");
    for (const part of parts) {
        const started = performance.now();
        const watchers = [];
        // A client whose events are kept, to the server itself or by way of the link that can be cut.
        const connect = async (how = "server", options = {}) => {
            const client = new Client(`ws://${how === "link" ? link : server}/live`, { WebSocket, ...options });
            const watcher = watch(client);
            watchers.push(watcher);
            await within("a connection", () => client.state === "open");
            return watcher;
        };
        try {
            await part({ control, connect });
            for (const { errors } of watchers) {
                same(errors, [], "errors that were told");
            }
        } catch (error) {
            const states = watchers.map(({ states }) => states);
            throw new Error(`${part.name}: ${error.stack ?? error}; the clients' states: ${JSON.stringify(states)}`);
        } finally {
            watchers.forEach(({ client }) => client.close());
        }
        await report({ part: part.name, milliseconds: Math.round(performance.now() - started) });
    }
}

const parts = [
    async function messagesReachTheirSubscribersAsTheyWerePublished({ control, connect }) {
        const one = await connect();
        const two = await connect();
        for (const { client } of [one, two]) {
            await subscribed(client, "mixed");
        }
        const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) >> 3);
        const sent = ["", "x", "\u00e9\u20ac\u{1f642}\u0000\"\\\n", "long ".repeat(20_000), new Uint8Array(), bytes];
        for (const [i, data] of sent.entries()) {
            const published = await one.client.publish("mixed", data);
            same([published.topic, published.offset, published.subscribers], ["mixed", i + 1, 2], "what publishing came to");
        }
        await control("publish", { topic: "mixed", data: ["over HTTP"] });
        await control("broadcast", { data: "to all" });
        for (const { messages, broadcasts } of [one, two]) {
            await within("all messages", () => messages.length === sent.length + 1 && broadcasts.length === 1);
            same(messages.map(({ data }) => data), [...sent, "over HTTP"], "data");
            same(messages.map(({ offset }) => offset), [1, 2, 3, 4, 5, 6, 7], "offsets");
            same(broadcasts, [{ data: "to all" }], "broadcasts");
        }
    },

    async function whatTheServerTakesArrivesAndWhatIsLargerIsNotSent({ connect }) {
        const { client, messages, states } = await connect();
        await subscribed(client, "large");
        const most = 1 << 20;
        const code = (data) => client.publish("large", data).then(({ offset }) => offset, (error) => error.code);
        const sent = [new Uint8Array(800_000), new Uint8Array(most), new Uint8Array(most + 1), "x".repeat(most + 1), "small"];
        same(await Promise.all(sent.map(code)), [1, 2, "too-large", "too-large", 3], "what publishing came to");
        await within("three messages", () => messages.length === 3);
        same(messages.map(({ data }) => data.length), [800_000, most, 5], "the messages' lengths");
        same(states.map(({ state }) => state), ["open"], "the states");
        // The first thing that a client does, before it has heard what the server takes.
        const second = await connect();
        same(await second.client.publish("large", new Uint8Array(most + 1)).catch((error) => error.code), "too-large", "at once");
    },

    async function whatIsRefusedIsSaid({ connect }) {
        const { client, errors, messages } = await connect();
        const ended = client.subscribe("closed/a", () => {});
        client.subscribe("no+name", () => {});
        await within("two refusals", () => errors.length === 2);
        const told = errors.splice(0).map(({ code, topic }) => `${topic}: ${code}`);
        same(told.sort(), ["closed/a: forbidden", "no+name: bad-topic"], "refusals");
        same(ended.active, false, "the subscription's state");
        const code = (promise) => promise.then(() => "none", (error) => error.code);
        same(await code(client.publish("read-only/a", "x")), "forbidden", "publishing without the right");
        same(await code(client.publish("#", "x")), "bad-topic", "publishing to what is no topic");
        await subscribed(client, "read-only/a");
        same(messages, [], "messages");
    },

    async function closingClosesWhateverTheReasonIs({ connect }) {
        for (const reason of ["x".repeat(200), "\u20ac".repeat(42), "\ud83d", null, undefined]) {
            const { client, states } = await connect();
            client.close(reason);
            same([client.state, states.at(-1).state, states.at(-1).code], ["closed", "closed", 1000], `closed with ${reason}`);
        }
    },

    async function halfACharacterIsRefusedAndDisturbsNothing({ connect }) {
        const { client, messages } = await connect();
        const name = (promise) => promise.then(() => "none", (error) => error.name);
        same(await name(client.publish("half", "\ud83d")), "TypeError", "as data");
        same(await name(client.publish("\ud83d", "x")), "TypeError", "as a topic");
        await subscribed(client, "half");
        await client.publish("half", "\u{1f642}");
        await within("the message", () => messages.length);
        same(messages.map(({ data }) => data), ["\u{1f642}"], "messages");
    },

    async function whoLeavesHearsNothingMoreAndMayComeBack({ control, connect }) {
        const { client, messages } = await connect();
        for (let round = 1; round <= 20; round++) {
            const subscription = client.subscribe("often", () => {});
            if (round % 2) {
                await within("a subscription", () => subscription.position);
            }
            subscription.unsubscribe();
        }
        await control("publish", { topic: "often", data: ["unheard"] });
        await subscribed(client, "often");
        await control("publish", { topic: "often", data: ["heard"] });
        await within("the message", () => messages.length);
        same(messages.map(({ data }) => data), ["heard"], "messages");
    },

    async function nothingIsLostOrDoubledWhenConnectionsAreCut({ control, connect }) {
        const { client, messages, gaps, resumed, states } = await connect("link");
        await subscribed(client, "stream");
        await control("begin_stream", { topic: "stream" });
        for (let cuts = 1; cuts <= 4; cuts++) {
            const before = messages.length;
            await within("messages of the stream", () => messages.length >= before + 5);
            await control("cut");
            await within("the loss to be noticed", () => states.filter(({ state }) => state === "waiting").length === cuts);
            await within("the client to be back", () => resumed.length === cuts + 1);
        }
        const last = await control("end_stream");
        await within("the rest of the stream", () => messages.length >= last);
        same(messages.map(({ data }) => Number(data)), Array.from({ length: last }, (_, i) => i + 1), "messages");
        same(resumed.map(({ recovered }) => recovered), [null, true, true, true, true], "recovered");
        same(gaps, [], "gaps");
    },

    async function manyTopicsComeBackTogether({ control, connect }) {
        const { client, messages, gaps, resumed } = await connect("link");
        const names = Array.from({ length: 100 }, (_, i) => `many/${i}`);
        const publish = async (data) => {
            for (const topic of names) {
                await control("publish", { topic, data: [`${topic} ${data}`] });
            }
        };
        names.forEach((name) => client.subscribe(name, () => {}));
        await within("all subscriptions", () => resumed.length === names.length);
        await publish("before");
        await within("a message of each", () => messages.length === names.length);
        await control("refuse", { whether: true });
        await control("cut");
        await publish("meanwhile");
        await control("refuse", { whether: false });
        await within("another message of each", () => messages.length === 2 * names.length);
        same(messages.splice(0, names.length).map(({ data }) => data).sort(), names.map((name) => `${name} before`).sort(), "before");
        same(messages.map(({ data }) => data).sort(), names.map((name) => `${name} meanwhile`).sort(), "meanwhile");
        same(messages.every(({ topic, data }) => data === `${topic} meanwhile`), true, "the topics fit");
        same(gaps, [], "gaps");
    },

    async function whatTheHistoryHasForgottenIsAGapOfKnownSize({ control, connect }) {
        const { client, messages, gaps, events } = await connect("link");
        await subscribed(client, "short/a");
        await control("publish", { topic: "short/a", data: ["1"] });
        await within("the first message", () => messages.length === 1);
        const { epoch } = messages[0];
        await control("refuse", { whether: true });
        await control("cut");
        const later = Array.from({ length: 25 }, (_, i) => `${i + 2}`);
        await control("publish", { topic: "short/a", data: later });
        await control("refuse", { whether: false });
        await within("the rest", () => messages.length === 11);
        const gap = { topic: "short/a", from: { offset: 1, epoch }, to: { offset: 16, epoch }, lost: 15, reason: "expired" };
        same(gaps, [gap], "gaps");
        same(messages.map(({ data }) => data), ["1", ...later.slice(15)], "messages");
        same(events.slice(-12).map(([name]) => name), ["gap", "subscribed", ...Array(10).fill("message")], "order");
    },

    async function aPositionThatWasStoredIsWhereTheNextClientBegins({ control, connect }) {
        const first = await connect();
        await subscribed(first.client, "stored");
        await control("publish", { topic: "stored", data: ["1", "2", "3"] });
        await within("three messages", () => first.messages.length === 3);
        const since = JSON.parse(JSON.stringify(first.messages[1]));
        first.client.close();
        await control("publish", { topic: "stored", data: ["4"] });
        const second = await connect();
        second.client.subscribe("stored", () => {}, { since });
        await within("what was missed", () => second.messages.length === 2);
        same(second.messages.map(({ data }) => data), ["3", "4"], "messages");
        same(second.resumed.map(({ recovered }) => recovered), [true], "recovered");
        same(second.gaps, [], "gaps");
    },

    async function aTopicWithoutHistoryThatIsGoneIsAGapOfUnknownSize({ control, connect }) {
        const { client, messages, gaps } = await connect("link");
        await subscribed(client, "forgetful/a");
        await control("publish", { topic: "forgetful/a", data: ["1"] });
        await within("the message", () => messages.length === 1);
        await control("cut");
        await within("the gap", () => gaps.length === 1);
        same([gaps[0].reason, gaps[0].lost, gaps[0].from.offset], ["epoch", null, 1], "the gap");
    },

    async function aServerThatIsKilledAndStartedAgainIsComeBackTo({ control, connect }) {
        const { client, messages, gaps, resumed, states } = await connect();
        const subscription = await subscribed(client, "killed");
        await control("publish", { topic: "killed", data: ["1", "2"] });
        await within("two messages", () => messages.length === 2);
        const from = subscription.position;
        await control("kill");
        await within("the loss to be noticed", () => client.state !== "open");
        same(await client.publish("killed", "x").catch(({ code }) => code), "not-connected", "publishing meanwhile");
        await within("an attempt that fails", () => states.filter(({ state }) => state === "waiting").length >= 2);
        await control("start");
        await within("the client to be back", () => resumed.length === 2);
        const { epoch } = resumed[1];
        same(gaps, [{ topic: "killed", from, to: { offset: 0, epoch }, lost: null, reason: "epoch" }], "gaps");
        same(from.epoch === epoch, false, "the epochs");
        same((await client.publish("killed", "3")).offset, 1, "the offset of the first message of the new epoch");
        await within("that message", () => messages.length === 3);
        same([messages[2].data, messages[2].offset, messages[2].epoch], ["3", 1, epoch], "it");
        same(subscription.position, { offset: 1, epoch }, "the position");
        const [lost] = states.filter(({ state }) => state === "waiting");
        same([lost.code, lost.failures], [1006, 1], "the first loss");
    },

    async function aStreamThroughKillsIsSeenInOrderOnceOrWithAGapWhereItIsNot({ control, connect }) {
        const { client, events, messages, gaps, resumed } = await connect();
        await subscribed(client, "stubborn");
        await control("begin_stream", { topic: "stubborn", stubborn: true });
        for (let kills = 1; kills <= 3; kills++) {
            const before = messages.length;
            await within("messages of the stream", () => messages.length >= before + 5);
            await control("kill");
            await within("the loss to be noticed", () => client.state !== "open");
            await control("start");
            await within("the client to be back", () => resumed.length === kills + 1);
        }
        const before = messages.length;
        await within("messages of the stream", () => messages.length >= before + 5);
        const last = await control("end_stream");
        await within("the rest of the stream", () => Number(messages.at(-1).data) >= last);
        same(gaps.map(({ reason }) => reason), ["epoch", "epoch", "epoch"], "gaps");
        let [seen, told] = [0, false];
        for (const [name, { data }] of events) {
            told ||= name === "gap";
            if (name === "message") {
                const number = Number(data);
                same([number > seen, number === seen + 1 || told], [true, true], `${number} behind ${seen}`);
                [seen, told] = [number, false];
            }
        }
    },

    async function aServerThatEndsInOrderIsComeBackTo({ control, connect }) {
        const { client, gaps, resumed, states } = await connect();
        await subscribed(client, "ended");
        await control("end");
        await within("the end to be noticed", () => client.state !== "open");
        await control("start");
        await within("the client to be back", () => resumed.length === 2);
        same(states.find(({ state }) => state === "waiting").code, 1001, "the close code");
        same(gaps.map(({ reason }) => reason), ["epoch"], "gaps");
    },

    async function clientsOfAServerThatEndsComeBackOverTheTimeThatItSays({ control, connect }) {
        const clients = await Promise.all(Array.from({ length: 40 }, () => connect()));
        await control("end");
        const waits = (watcher) => watcher.states.find(({ state }) => state === "waiting");
        await within("the end to be noticed", () => clients.every(waits));
        const delays = clients.map((watcher) => waits(watcher).delay);
        // Without a word of the server's no delay is longer than 500 ms. That one of 40 shows the word is as good as certain.
        same([Math.max(...delays) > 500, Math.max(...delays) <= 2000], [true, true], `delays of ${delays}`);
        await control("start");
        await within("all to be back", () => clients.every(({ client }) => client.state === "open"));
    },

    async function aConnectionThatDoesNotOutliveTheNetworkIsReplacedAtOnce({ control, connect }) {
        const beside = await connect("server");
        const { client, messages, gaps, resumed, states } = await connect("link");
        await subscribed(client, "offline");
        await control("mute");
        await control("publish", { topic: "offline", data: ["1"] });
        const started = performance.now();
        globalThis.dispatchEvent(new Event("offline"));
        await within("the loss to be told", () => states.some(({ state }) => state === "waiting"));
        same(performance.now() - started < 30_000, true, "told sooner than by silence");
        await within("the client to be back", () => resumed.length === 2);
        await within("what was missed", () => messages.length === 1);
        same(gaps, [], "gaps");
        same(beside.states.map(({ state }) => state), ["open"], "the states of one that the network does not concern");
    },

    async function aConnectionThatFallsSilentIsReplacedAndNothingIsLost({ control, connect }) {
        // This one is asked, and answered, the whole time.
        const quiet = await connect("server", { silence: 500 });
        const { client, messages, gaps, resumed, states } = await connect("link", { silence: 2000 });
        await subscribed(client, "silent");
        await control("publish", { topic: "silent", data: ["1"] });
        await within("the first message", () => messages.length === 1);
        await control("mute");
        await control("publish", { topic: "silent", data: ["2", "3"] });
        const unanswered = client.publish("silent", "unheard").catch(({ code }) => code);
        await within("the client to be back", () => resumed.length === 2);
        same(await unanswered, "connection-lost", "what was published into the silence");
        await within("what was missed", () => messages.length === 3);
        same(messages.map(({ data }) => data), ["1", "2", "3"], "messages");
        same(gaps, [], "gaps");
        same(states.find(({ state }) => state === "waiting").reason, "the connection has fallen silent", "the reason");
        // Longer than an answer may take.
        await new Promise((resolve) => setTimeout(resolve, 3000));
        same(quiet.client.state, "open", "the other client's state");
        same(quiet.states.map(({ state }) => state), ["open"], "the other client's states");
        await control("cut");
    },
];

// Keeps what a client tells.
function watch(client) {
    const kept = { client, events: [], states: [], resumed: [], messages: [], gaps: [], broadcasts: [], errors: [] };
    const lists = { state: "states", subscribed: "resumed", message: "messages", gap: "gaps", broadcast: "broadcasts", error: "errors" };
    for (const [name, list] of Object.entries(lists)) {
        client.on(name, (event) => {
            kept.events.push([name, event]);
            kept[list].push(event);
        });
    }
    return kept;
}

async function subscribed(client, topic) {
    const subscription = client.subscribe(topic, () => {});
    await within(`a subscription to ${topic}`, () => subscription.position);
    return subscription;
}

async function within(what, condition) {
    const deadline = performance.now() + PATIENCE;
    while (!condition()) {
        if (performance.now() > deadline) {
            throw new Error(`no sign of ${what} for ${PATIENCE / 1000} s`);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}

function same(got, wanted, what) {
    const [a, b] = [shown(got), shown(wanted)];
    if (a !== b) {
        throw new Error(`${what}: ${a.slice(0, 2000)} instead of ${b.slice(0, 2000)}`);
    }
}

// As text; keys in order, and bytes not taken for numbers.
function shown(value) {
    const plain = (_, inner) => {
        if (inner instanceof Uint8Array) {
            return { bytes: [...inner] };
        }
        if (inner instanceof Error) {
            return { code: inner.code, message: inner.message };
        }
        const ordered = inner && typeof inner === "object" && !Array.isArray(inner);
        return ordered ? Object.fromEntries(Object.entries(inner).sort()) : inner;
    };
    return JSON.stringify(value, plain);
}
