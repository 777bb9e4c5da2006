// Plays the scenario in Node.js with a WebSocket from npm: node.js FOLDER PACKAGE ORIGIN. FOLDER has node_modules.

import { createRequire } from "node:module";
import { join } from "node:path";
import { play } from "./scenario.js";

const [folder, name, origin] = process.argv.slice(2);
const { WebSocket } = createRequire(join(folder, "package.json"))(name);

await play({ origin, WebSocket, report: async (seen) => console.log(JSON.stringify(seen)) });
