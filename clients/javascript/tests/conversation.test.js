// A conversation: its turns, those that begin elsewhere, and what a page of history has to do with the stream.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { create } from "midstream-client";

import { Clock } from "./clock.js";
import { Script } from "./script.js";

const ONE = `gen_${"a".repeat(32)}`;
const TWO = `gen_${"b".repeat(32)}`;
const THREE = `gen_${"c".repeat(32)}`;
const JSON_HEADERS = { "content-type": "application/json" };
const asks = (text) => [{ role: "user", content: text }];
const turn = (id, number, fields) => ({ id, number, previous: null, state: "completed", text: `Answer ${number}`, parts: [], input: asks(`Question ${number}`), ...fields });
const frame = (id, type, data) => `event: ${type}\ndata: ${JSON.stringify(data)}\n${id ? `id: ${id}\n` : ""}\n`;
const said = (generation, id, type, data) => frame(`${generation.slice(4)}.${id}`, type, { t: 0, ...data });
const begins = (generation, number) => said(generation, "0-0", "generation", { generation, number, previous: null, model: "simulator/echo", created: "2026" });
const answered = (generation, text) => [
  said(generation, "1-0", "attempt", { number: 1, reason: "new", continues: false }), said(generation, "1-1", "part", { part: 0, kind: "text" }),
  said(generation, "1-2", "delta", { part: 0, kind: "text", delta: text }), said(generation, "1-3", "part_end", { part: 0 }),
  said(generation, "1-4", "completed", { usage: null, cost: null }),
].join("");

const page = (query, { generations, ...fields }) => ({
  expect: { method: "GET", path: `/v1/conversations/c${query}` },
  answer: { status: 200, headers: JSON_HEADERS, chunks: [JSON.stringify({ id: "c", title: "Title", next: null, ...fields, generations })] },
});
const stream = (after, ...chunks) => ({
  expect: { method: "GET", path: "/v1/conversations/c/events", headers: { "last-event-id": after } },
  answer: { status: 200, headers: { "content-type": "text/event-stream" }, chunks },
});
const gone = (after) => ({ ...stream(after), answer: { status: 410, headers: JSON_HEADERS, chunks: ["{\"code\":\"gone\"}"] } });

let clock;
beforeEach(() => { clock = new Clock(); });
afterEach(() => clock.giveBack());

/** The conversation after all that the server says, up to its 410. */
async function followed(script, { loads = true, ...options } = {}) {
  const conversation = create({ url: "http://midstream.test", fetch: script.fetch }).conversation("c", options);
  const following = (async () => {
    if (loads) await conversation.load();
    for await (const _ of conversation);
  })();
  await assert.rejects(clock.until(following), { status: 410 });
  assert.equal(script.left, 0);
  return conversation;
}

const shown = ({ generations }) => generations.map(({ number, state, text, input }) => [number, state, text, input?.[0].content]);

test("what was said is there, what runs goes on, and what begins later has its question", async () => {
  const parts = [{ kind: "text", text: "Half", complete: false, part: 0 }];
  const running = turn(TWO, 2, { state: "running", text: "Half", parts, last_event_id: "5-2" });
  const cursor = `${TWO.slice(4)}.5-2`;
  const script = new Script([
    page("?limit=20", { generations: [running, turn(ONE, 1)], cursor }),
    stream(cursor, said(TWO, "5-3", "delta", { part: 0, kind: "text", delta: " done" }), said(TWO, "5-4", "completed", { usage: null }), begins(THREE, 3), answered(THREE, "Third")),
    page("?limit=1&before=4", { generations: [turn(THREE, 3, { state: "running", text: "T" })] }),
    gone(`${THREE.slice(4)}.1-4`),
  ]);
  const conversation = await followed(script, { limit: 20 });
  assert.equal(conversation.title, "Title");
  assert.deepEqual(shown(conversation), [
    [1, "completed", "Answer 1", "Question 1"], [2, "completed", "Half done", "Question 2"], [3, "completed", "Third", "Question 3"],
  ]);
});

test("after a reset the turns are fetched again, and the stream goes on behind them", async () => {
  const old = `${ONE.slice(4)}.1-4`;
  const script = new Script([
    page("", { generations: [turn(ONE, 1)], cursor: old }),
    stream(old, frame(null, "reset", { reason: "unknown_cursor", message: "" }), begins(ONE, 1)),
    page("", { generations: [turn(TWO, 2), turn(ONE, 1)], cursor: `${TWO.slice(4)}.1-4` }),
    gone(`${TWO.slice(4)}.1-4`),
  ]);
  assert.deepEqual(shown(await followed(script)).map(([number]) => number), [1, 2]);
});

test("without a page the stream is all there is, and nothing is fetched beside it", async () => {
  const script = new Script([stream(null, begins(ONE, 1), answered(ONE, "First")), gone(`${ONE.slice(4)}.1-4`)]);
  assert.deepEqual(shown(await followed(script, { loads: false })), [[1, "completed", "First", undefined]]);
});

test("a log that is read from its beginning counts alone: nothing is said twice", async () => {
  const script = new Script([
    page("", { generations: [turn(TWO, 2, { state: "completed", text: "Second", parts: [{ kind: "text", text: "Second", complete: true }] }), turn(ONE, 1)], cursor: `${ONE.slice(4)}.1-4` }),
    stream(`${ONE.slice(4)}.1-4`, begins(TWO, 2), answered(TWO, "Second")),
    page("?limit=1&before=3", { generations: [turn(TWO, 2)] }),
    gone(`${TWO.slice(4)}.1-4`),
  ]);
  const { generations: [, second] } = await followed(script);
  assert.deepEqual([second.text, second.superseded], ["Second", []]);
});

test("older turns are fetched when somebody asks", async () => {
  const script = new Script([
    page("?limit=1", { generations: [turn(TWO, 2)], cursor: null, next: 2 }),
    page("?limit=1&before=2", { generations: [turn(ONE, 1)], cursor: null, next: null }),
  ]);
  const conversation = create({ url: "http://midstream.test", fetch: script.fetch }).conversation("c", { limit: 1 });
  await conversation.load();
  await conversation.more();
  await conversation.more();
  assert.deepEqual(shown(conversation).map(([number]) => number), [1, 2]);
});

test("asked, named, deleted, listed", async () => {
  const answer = (body, status = 200) => ({ status, headers: JSON_HEADERS, chunks: body ? [JSON.stringify(body)] : [] });
  const path = "/v1/conversations/a%2Fb%20c";
  const script = new Script([
    { expect: { method: "POST", path: "/v1/generations", body: { messages: [], conversation: "a/b c" } }, answer: answer({ id: ONE, state: "queued" }, 202) },
    { expect: { method: "PATCH", path, body: { title: "New" } }, answer: answer({ id: "a/b c", title: "New" }) },
    { expect: { method: "DELETE", path }, answer: answer(null, 204) },
    { expect: { method: "GET", path: "/v1/conversations?limit=5&before=x%3D" }, answer: answer({ data: [], next: null }) },
  ]);
  const client = create({ url: "http://midstream.test", fetch: script.fetch });
  const conversation = client.conversation("a/b c");
  assert.equal((await conversation.create({ messages: [] }, { follow: false })).id, ONE);
  assert.equal((await conversation.rename("New")).title, "New");
  assert.equal(await conversation.delete(), undefined);
  assert.deepEqual(await client.conversations({ limit: 5, before: "x=" }), { data: [], next: null });
});

test("what is loaded again is what the page says, and not what was left half heard", async () => {
  const half = [begins(ONE, 1), said(ONE, "1-0", "attempt", { number: 1, reason: "new", continues: false }), said(ONE, "1-1", "delta", { part: 0, kind: "text", delta: "Ans" })];
  const script = new Script([
    stream(null, ...half),
    page("", { generations: [turn(TWO, 2), turn(ONE, 1)], cursor: `${TWO.slice(4)}.1-4` }),
    gone(`${TWO.slice(4)}.1-4`),
  ]);
  const conversation = create({ url: "http://midstream.test", fetch: script.fetch }).conversation("c");
  for await (const { type } of conversation) if (type === "delta") break;
  await conversation.load();
  await assert.rejects(clock.until((async () => { for await (const _ of conversation); })()), { status: 410 });
  assert.deepEqual(shown(conversation), [[1, "completed", "Answer 1", "Question 1"], [2, "completed", "Answer 2", "Question 2"]]);
});
