// What events add up to: a new object for each, so that whoever shows it sees what has changed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { create, fold } from "midstream-client";

const ID = `gen_${"a".repeat(32)}`;
const client = create({ url: "http://midstream.test" });
const event = (id, type, data) => ({ type, id, data: { t: 0, ...data } });
const attempt = (number, fields) => event(`${number}-0`, "attempt", { number, reason: "new", continues: false, ...fields });
const part = (id, number, kind, fields) => event(id, "part", { part: number, kind, ...fields });
const delta = (id, number, kind, said) => event(id, "delta", { part: number, kind, delta: said });
const after = (...events) => events.reduce(fold, client.follow(ID).answer);

test("an earlier answer stays as it was", () => {
  const before = after(attempt(1), part("1-1", 0, "text"), delta("1-2", 0, "text", "One"), part("1-3", 1, "reasoning"));
  const kept = structuredClone(before);
  const next = fold(before, delta("1-4", 0, "text", " two"));
  assert.deepEqual(before, kept);
  assert.equal(next.text, "One two");
  assert.notEqual(next.parts[0], before.parts[0]);
  assert.equal(next.parts[1], before.parts[1], "what has not changed is the same object");
});

test("what was superseded is there, with the reason", () => {
  const said = [attempt(1), part("1-1", 0, "text"), delta("1-2", 0, "text", "One"), event("1-3", "usage", { usage: { output_tokens: 1 } })];
  const answer = after(...said, attempt(2, { reason: "worker_lost" }));
  assert.equal(answer.text, "");
  assert.deepEqual(answer.parts, []);
  assert.equal(answer.usage, null);
  assert.deepEqual(answer.superseded.map(({ reason, parts: [{ text }] }) => [reason, text]), [["worker_lost", "One"]]);
  assert.deepEqual(answer.attempts.map(({ number }) => number), [1, 2]);
});

test("an attempt that had said nothing leaves nothing", () => {
  assert.deepEqual(after(attempt(1), attempt(2, { reason: "fallback" })).superseded, []);
});

test("a reset forgets everything but whose it is", () => {
  const answer = after(attempt(1), part("1-1", 0, "text"), delta("1-2", 0, "text", "One"), event(null, "reset", { reason: "trimmed" }));
  assert.deepEqual(answer, client.follow(ID).answer);
});

test("a part that resumes is the newest of its kind and id; numbers begin again in each attempt", () => {
  const answer = after(
    attempt(1), part("1-1", 0, "reasoning", { item_id: "rs_1" }), delta("1-2", 0, "reasoning", "Hm"), event("1-3", "part_end", { part: 0 }),
    part("1-4", 1, "text"), delta("1-5", 1, "text", "A"),
    attempt(2, { continues: true }), part("2-1", 0, "text", { resumes: true }), delta("2-2", 0, "text", "B"),
    part("2-3", 1, "text"), delta("2-4", 1, "text", "C"),
  );
  assert.deepEqual(answer.parts.map(({ kind, text, part: number }) => [kind, text, number]), [["reasoning", "Hm", null], ["text", "AB", 0], ["text", "C", 1]]);
  assert.equal(answer.text, "ABC");
});

test("a call that is whole has its arguments, and their text no more", () => {
  const whole = after(attempt(1), part("1-1", 0, "tool_call"), delta("1-2", 0, "tool_call", "{\"a\":1}"), event("1-3", "part_end", { part: 0 }));
  assert.deepEqual(JSON.parse(JSON.stringify(whole.parts[0])), {
    kind: "tool_call", text: null, call_id: null, name: null, arguments: { a: 1 }, complete: true, part: 0,
  });
});

test("what has not ended at the end never will", () => {
  const open = [attempt(1), part("1-1", 0, "tool_call", { name: "rain" }), delta("1-2", 0, "tool_call", "{\"city")];
  const answer = after(...open, event("1-3", "failed", { code: "overloaded", message: "No room.", retryable: true, usage: null, cost: null, queued_ms: 5 }));
  assert.deepEqual([answer.parts[0].complete, answer.parts[0].arguments_text, "part" in answer.parts[0]], [false, "{\"city", false]);
  assert.deepEqual([answer.state, answer.error.code, answer.error.retryable, answer.queued_ms], ["failed", "overloaded", true, 5]);
});

test("a failed or cancelled answer keeps what was said", () => {
  assert.equal(after(attempt(1), part("1-1", 0, "text"), delta("1-2", 0, "text", "One"), event("1-3", "cancelled", { usage: null })).text, "One");
});

test("the place in the line is gone once it runs", () => {
  const queued = after({ type: "queued", id: null, data: { id: ID, position: 3 } });
  assert.deepEqual([queued.state, queued.position, queued.last_event_id], ["queued", 3, null]);
  assert.equal(fold(queued, attempt(1)).position, null);
});

test("an answer that was kept as JSON is gone on from, parts and all", async () => {
  const kept = after(attempt(1), part("1-1", 0, "text"), delta("1-2", 0, "text", "One"), part("1-3", 1, "tool_call", { name: "rain" }), delta("1-4", 1, "tool_call", "{\"a\""));
  const frames = [delta("1-5", 1, "tool_call", ":1}"), event("1-6", "part_end", { part: 1 }), delta("1-7", 0, "text", "!"), event("1-8", "completed", { usage: null, cost: null })];
  const body = frames.map(({ id, type, data }) => `event: ${type}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`).join("");
  let cursor;
  const fetch = async (_, { headers }) => {
    cursor = headers["Last-Event-ID"];
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const generation = create({ url: "http://midstream.test", fetch }).follow(JSON.parse(JSON.stringify(kept)));
  for await (const _ of generation);
  assert.equal(cursor, "1-4");
  assert.equal(generation.text, "One!");
  assert.deepEqual(generation.parts[1].arguments, { a: 1 });
});

test("an answer that has ended is not asked for again", async () => {
  const generation = client.follow({ id: ID, state: "completed", text: "Done.", last_event_id: "1-9" });
  for await (const _ of generation) assert.fail("there is nothing");
  assert.equal(generation.text, "Done.");
});
