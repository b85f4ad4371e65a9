// The types allow what the client can do, refuse what it cannot, and name what it exports.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import * as client from "midstream-client";
import * as hooks from "midstream-client/react";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

test("they are right, and fit what is done with them", { timeout: 120_000 }, () => {
  const words = [at("../node_modules/typescript/bin/tsc"), "--project", at("types/tsconfig.json")];
  try {
    execFileSync(process.execPath, words, { encoding: "utf8" });
  } catch ({ stdout }) {
    assert.fail(stdout);
  }
});

for (const [name, module, types] of [["client", client, "../src/midstream-client.d.ts"], ["hooks", hooks, "../src/react.d.ts"]]) {
  test(`what the ${name} exports is what the types say`, () => {
    const told = [...readFileSync(at(types), "utf8").matchAll(/^export (?:function|class) (\w+)/gm)].map(([, word]) => word);
    assert.deepEqual(told.sort(), Object.keys(module).sort());
  });
}
