// However the bytes of a stream are cut, the events are the same, and a cut connection loses and repeats none.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { create } from "midstream-client";

const { cases } = JSON.parse(readFileSync(new URL("../../cases.json", import.meta.url)));
const speaks = ({ answer }) => answer?.chunks.every((chunk) => !chunk.silence_s);
const WHOLE = cases.filter(({ do: { call }, server, want }) =>
  call === "follow" && server.length === 1 && speaks(server[0]) && want.state);
const PATIENCE = { timeout: 240_000 };

const bytesOf = ({ chunks }) => Buffer.concat(chunks.map((chunk) => Buffer.from(chunk.hex ?? chunk, chunk.hex ? "hex" : "utf8")));
const HEADERS = { "content-type": "text/event-stream" };

/** What a client makes of these pieces; `ends` is how the connection ends after them. */
async function eventsOf(pieces, ends = "close") {
  const followed = create({ url: "http://midstream.test", fetch: async () => answerOf(pieces, ends) }).follow("gen_a");
  const events = [];
  for await (const event of followed) events.push(event);
  return events;
}

function answerOf(pieces, ends) {
  const left = [...pieces];
  const body = new ReadableStream({
    pull(controller) {
      if (left.length) controller.enqueue(new Uint8Array(left.shift()));
      else if (ends === "close") controller.close();
      else controller.error(new TypeError("terminated"));
    },
  });
  return new Response(body, { headers: HEADERS });
}

/** The same numbers in each run (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

for (const { name, server: [{ answer }], want } of WHOLE) {
  const bytes = bytesOf(answer);
  test(`cut in two: ${name}`, PATIENCE, async () => {
    const step = Math.ceil(bytes.length / 100);
    for (let at = 0; at <= bytes.length; at += step) {
      assert.deepEqual(await eventsOf([bytes.subarray(0, at), bytes.subarray(at)]), want.events, `at ${at}`);
    }
  });

  test(`cut into many pieces: ${name}`, PATIENCE, async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const random = randomFrom(seed);
      const pieces = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + Math.floor(random() ** 3 * 40);
        pieces.push(bytes.subarray(at, end));
        at = end;
      }
      assert.deepEqual(await eventsOf(pieces), want.events, `seed ${seed}`);
    }
  });
}

test("a connection that is lost at any byte", PATIENCE, async (context) => {
  const { server: [{ answer }], want } = WHOLE.find(({ name }) => name === "follow reads from the start to the end");
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const bytes = bytesOf(answer);
  const starts = new Map([[null, 0]]);
  for (const { id } of want.events) starts.set(id, bytes.indexOf(`id: ${id}\n\n`) + `id: ${id}\n\n`.length);
  for (let at = 0; at < bytes.length; at += 1) {
    let cuts = 0;
    const fetch = async (_, { headers }) => {
      const from = starts.get(headers["Last-Event-ID"] ?? null);
      return (cuts += 1) === 1 ? answerOf([bytes.subarray(0, at)], "cut") : answerOf([bytes.subarray(from)], "close");
    };
    const events = [];
    const following = (async () => {
      const onConnection = ({ state }) => state === "waiting" && setImmediate(() => context.mock.timers.tick(60_000));
      const followed = create({ url: "http://midstream.test", fetch }).follow("gen_a", { onConnection });
      for await (const event of followed) events.push(event);
    })();
    await following;
    assert.deepEqual(events, want.events, `at ${at}`);
    assert.equal(cuts, 2);
  }
});

test("an event of many megabytes in small pieces takes no longer than its bytes", PATIENCE, async () => {
  const data = { part: 0, kind: "file", delta: "A".repeat(16_000_000) };
  const bytes = Buffer.from(`event: delta\ndata: ${JSON.stringify(data)}\nid: 7-0\n\nevent: cancelled\ndata: {}\nid: 7-1\n\n`);
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 4_096) pieces.push(bytes.subarray(at, at + 4_096));
  const [delta] = await eventsOf(pieces);
  assert.equal(delta.data.delta.length, 16_000_000);
});
