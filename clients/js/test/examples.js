// Runs the examples of README.md, each in a Node.js of its own against a server: examples.js FOLDER ORIGIN. FOLDER has node_modules.
// A block of `js` must print the block of `text` behind it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const WITHIN = 60_000;
const [folder, origin] = process.argv.slice(2);
const { server } = await (await fetch(`${origin}/control/addresses`, { method: "POST", body: "{}" })).json();

// What a page has and this Node.js may lack; and the end, since clients would go on for ever.
const around = (wanted) => `
import { WebSocket as FromNpm } from "ws";
globalThis.WebSocket ??= FromNpm;
const stored = new Map();
globalThis.localStorage ??= { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
let printed = 0;
const print = console.log;
console.log = (...what) => {
    print(...what);
    printed += 1;
    // A moment for what must not be printed.
    if (printed === ${wanted}) setTimeout(() => process.exit(0), 200);
};
`;

const readme = await readFile(new URL("../README.md", import.meta.url), "utf-8");
const blocks = [...readme.matchAll(/^```js\n(.*?)^```\n\n```text\n(.*?)^```$/gms)];
assert.equal(blocks.length, readme.match(/^```js$/gm).length, "every example has its output");
assert.ok(blocks.length > 0, "there are examples");

const below = await mkdtemp(join(folder, "examples-"));
try {
    const files = [];
    for (const [i, [, code, output]] of blocks.entries()) {
        const real = code
            .replaceAll('"throng-client"', JSON.stringify(new URL("../throng.js", import.meta.url).href))
            .replaceAll('"wss://example.org/live"', JSON.stringify(`ws://${server}/`));
        files.push(join(below, `${i}.mjs`));
        await writeFile(files[i], `import ${JSON.stringify(`./around-${i}.mjs`)};\n${real}`);
        await writeFile(join(below, `around-${i}.mjs`), around(output.split("\n").length - 1));
    }
    for (const [i, [, , output]] of blocks.entries()) {
        const { stdout, stderr } = await promisify(execFile)(process.execPath, [files[i]], { timeout: WITHIN });
        const trimmed = stdout.replaceAll(/ +$/gm, "");
        assert.deepEqual([trimmed, stderr], [output, ""], `example ${i + 1} prints something else`);
    }
    console.log(`examples: ${blocks.length} print what README.md says`);
} finally {
    await rm(below, { recursive: true });
}
