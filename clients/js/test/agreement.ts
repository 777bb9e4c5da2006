// Checked by tsc, beside a copy of throng.js by the name of real.js: the module has what the declarations say, and nothing else.

import * as real from "./real.js";
import * as declared from "./throng.js";

const exported: typeof declared = real;
const named: Record<keyof typeof real, unknown> = declared;

declare const made: real.Client;
const client: declared.Client = made;
const members: Record<keyof real.Client, unknown> = client;

const subscription: declared.Subscription = made.subscribe("a", () => {});
const parts: Record<keyof ReturnType<typeof made.subscribe>, unknown> = subscription;
