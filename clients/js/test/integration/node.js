// Plays the scenario in Node.js with a WebSocket from npm: node.js FOLDER PACKAGE ORIGIN. FOLDER has node_modules.

import { createRequire } from "node:module";
import { join } from "node:path";
import { play } from "./scenario.js";

const [folder, name, origin] = process.argv.slice(2);
const { WebSocket } = createRequire(join(folder, "package.json"))(name);

// What the system says of the network is told as in a page.
const page = new EventTarget();
for (const name of ["addEventListener", "removeEventListener", "dispatchEvent"]) {
    globalThis[name] = page[name].bind(page);
}

await play({ origin, WebSocket, report: async (seen) => console.log(JSON.stringify(seen)) });
