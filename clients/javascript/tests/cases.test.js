// What both clients must do: clients/cases.json, whose format clients/README.md tells.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { create, MidstreamError } from "midstream-client";

import { Clock } from "./clock.js";
import { Script } from "./script.js";

const { cases } = JSON.parse(readFileSync(new URL("../../cases.json", import.meta.url)));

/** Does what a case says; returns what came of it, in the words of `want`. */
async function run({ call, id, body, after }, fetch) {
  const client = create({ url: "http://midstream.test", fetch });
  const came = { events: [], waits: [], error: null };
  const onConnection = ({ state, ms }) => state === "waiting" && came.waits.push(ms / 1000);
  try {
    if (call === "create") came.followed = await client.create(body, { onConnection });
    else if (call === "follow") came.followed = client.follow(id, { after, onConnection });
    else came.followed = client.conversation(id, { after, onConnection });
    for await (const event of came.followed) came.events.push(event);
  } catch (error) {
    assert.ok(error instanceof MidstreamError, error);
    came.error = { status: error.status, code: error.code };
  }
  return came;
}

/** Of each object in `whole` only the fields that the object of `wanted` has. */
const restricted = (whole, wanted) =>
  whole.map((item, at) => Object.fromEntries(Object.keys(wanted[at] ?? item).map((name) => [name, item[name]])));

for (const { name, do: what, server, want } of cases) {
  test(name, async () => {
    const clock = new Clock();
    const script = new Script(server);
    let came;
    try {
      came = await clock.until(run(what, script.fetch));
    } finally {
      clock.giveBack();
    }
    const { followed } = came;
    assert.deepEqual(came.error, want.error ?? null);
    assert.deepEqual(came.events, want.events);
    assert.equal(script.left, 0, "requests that were not sent");
    assert.equal(came.waits.length, want.waits.length, `waits: ${came.waits}`);
    want.waits.forEach(([least, most], at) => assert.ok(least <= came.waits[at] && came.waits[at] <= most, `${came.waits}`));
    if (want.text !== undefined) assert.equal(followed.text, want.text);
    if (want.state !== undefined) assert.equal(followed.state, want.state);
    if (want.parts) assert.deepEqual(restricted(followed.parts, want.parts), want.parts);
    if (want.generations) assert.deepEqual(restricted(followed.generations, want.generations), want.generations);
    assert.equal(clock.waiting, 0, "timers that nobody needs any more");
  });
}
