// Plays the scenario with a WebSocket client from npm: node_client.mjs FOLDER PACKAGE ADDRESS SCENARIO. FOLDER has node_modules.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { play } from "./client.mjs";

const [folder, name, address, scenario] = process.argv.slice(2);
const { WebSocket } = createRequire(join(folder, "package.json"))(name);

function sendFragments(socket, parts, binary) {
    parts.forEach((part, i) => socket.send(part, { binary, fin: i === parts.length - 1 }));
}

await play({
    open: () => new WebSocket(`ws://${address}/`),
    sendFragments: name === "ws" ? sendFragments : null,
    scenario: JSON.parse(readFileSync(scenario, "utf-8")),
    report: async (seen) => console.log(JSON.stringify(seen)),
});
