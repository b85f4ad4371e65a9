// The client is small: to read, and to load.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { minify } from "terser";

const FILES = ["midstream-client.js", "react.js"];
const source = (file) => readFileSync(new URL(`../src/${file}`, import.meta.url), "utf8");

test("it has fewer than 500 lines", () => {
  const lines = FILES.map((file) => source(file).trimEnd().split("\n").length);
  assert.ok(lines.reduce((one, other) => one + other) < 500, `${lines}`);
});

test("minified and gzipped it is no more than 5 kB, the hooks along", async () => {
  const [client, hooks] = FILES.map(source);
  // Together as an application's bundler has them, with the one import between them resolved.
  const own = /^import .* from "midstream-client";$/m;
  assert.match(hooks, own);
  const { code } = await minify(client + hooks.replace(own, ""), { module: true, compress: { passes: 3 } });
  const { length } = gzipSync(code, { level: 9 });
  assert.ok(length <= 5_000, `${length} bytes`);
});

test("it stands on nothing but the platform, and its hooks on React", () => {
  assert.doesNotMatch(source("midstream-client.js"), /^import|\bimport\(|\brequire\(/m);
  const imported = [...source("react.js").matchAll(/from "(.*)"/g)].map(([, name]) => name);
  assert.deepEqual(imported, ["react", "midstream-client"]);
});

test("its package says the same", () => {
  const { dependencies, peerDependencies, exports: offered } = JSON.parse(source("../package.json"));
  assert.equal(dependencies, undefined);
  assert.deepEqual(Object.keys(peerDependencies), ["react"]);
  for (const { types, default: module } of Object.values(offered)) {
    for (const path of [types, module]) assert.ok(readFileSync(new URL(`../${path}`, import.meta.url)).length > 0);
  }
});
