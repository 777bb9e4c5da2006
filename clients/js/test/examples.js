// Runs the examples of README.md as they stand, each in a Node.js of its own: examples.js FOLDER. The server that README.md starts is
// there, and FOLDER has the client's modules; node_modules are above it. A block of `js` must print the block of `text` behind it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const WITHIN = 60_000;
const [folder] = process.argv.slice(2);

// Loaded before an example: what a page has and this Node.js may lack; and the end, since clients would go on for ever.
const before = (wanted) => `
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

for (const [i, [, code, output]] of blocks.entries()) {
    const [example, preload] = [join(folder, `${i + 1}.mjs`), join(folder, `before-${i + 1}.mjs`)];
    await writeFile(example, code);
    await writeFile(preload, before(output.split("\n").length - 1));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--import", preload, example], { timeout: WITHIN });
    const trimmed = stdout.replaceAll(/ +$/gm, "");
    assert.deepEqual([trimmed, stderr], [output, ""], `example ${i + 1} prints something else`);
}
console.log(`examples: ${blocks.length} print what README.md says`);
