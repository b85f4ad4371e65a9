// What a connection goes through in a browser and out of it, each with time that passes when the test says so.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { create, MidstreamError } from "midstream-client";

import { Clock, settled } from "./clock.js";
import { Script } from "./script.js";

const ID = `gen_${"a".repeat(32)}`;
const EVENTS = `/v1/generations/${ID}/events`;
const HEADERS = { "content-type": "text/event-stream; charset=utf-8", location: `/v1/generations/${ID}` };
const frame = (id, type, data) => `event: ${type}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`;
const FIRST = frame("7-0", "attempt", { number: 1, reason: "new", continues: false, t: 0 });
const LAST = frame("7-1", "completed", { finish_reason: "stop", usage: null, cost: null, t: 1 });

const get = (after, answer) => ({
  expect: { method: "GET", path: EVENTS, headers: { "last-event-id": after } },
  answer: { status: 200, headers: HEADERS, ...answer },
});
const refused = (after) => ({ expect: get(after).expect, fail: "refused" });

/** What a browser has and Node has not: a window, and a page in it that is seen or hidden. */
class Page extends EventTarget {
  hidden = false;

  open() {
    Object.assign(globalThis, {
      document: this,
      addEventListener: (...listener) => this.#window.addEventListener(...this.#counted(listener)),
    });
  }

  close() {
    delete globalThis.document;
    delete globalThis.addEventListener;
  }

  listeners = 0;
  #window = new EventTarget();

  #counted(listener) {
    this.listeners += 1;
    listener[2].signal.addEventListener("abort", () => { this.listeners -= 1; });
    return listener;
  }

  tell(type) {
    (type === "visibilitychange" ? this : this.#window).dispatchEvent(new Event(type));
  }
}

let clock;
let page;
let script;

beforeEach(() => {
  clock = new Clock();
  page = new Page();
  page.open();
});

afterEach(() => {
  page.close();
  clock.giveBack();
});

/** A client of a server that answers so. */
function clientOf(...entries) {
  script = new Script(entries);
  return create({ url: "http://midstream.test", fetch: script.fetch });
}

/** Follows to the end; `events` and `state` say how far it is. */
function follow(followed) {
  const seen = { events: [], done: null, error: null };
  seen.done = (async () => {
    for await (const event of followed) seen.events.push(event.type);
  })().catch((error) => { seen.error = error; });
  return seen;
}

for (const type of ["visibilitychange", "pageshow"]) {
  test(`${type}: what was silent while the page slept is dead at once`, async () => {
    const client = clientOf(get(null, { chunks: [FIRST], end: "hang" }), get("7-0", { chunks: [LAST] }));
    const seen = follow(client.follow(ID));
    await settled();
    clock.now += 21_000; // asleep: no timer runs
    page.tell(type);
    await clock.pass(3_000);
    assert.deepEqual(seen.events, ["attempt", "completed"]);
  });

  test(`${type}: a connection that was heard of lately stays`, async () => {
    const client = clientOf(get(null, { chunks: [FIRST, { silence_s: 19 }, LAST] }));
    const seen = follow(client.follow(ID));
    await clock.pass(18_000);
    page.tell(type);
    await clock.pass(2_000);
    assert.deepEqual(seen.events, ["attempt", "completed"]);
  });

  test(`${type}: a pause is over`, async () => {
    const client = clientOf(...Array(9).fill(refused(null)), get(null, { chunks: [FIRST, LAST] }));
    const seen = follow(client.follow(ID));
    while (script.left > 1) await clock.pass(100);
    page.tell(type);
    await settled();
    assert.deepEqual(seen.events, ["attempt", "completed"]);
  });
}

test("a page that is hidden wakes nothing up", async () => {
  const client = clientOf(refused(null), get(null, { chunks: [FIRST, LAST] }));
  follow(client.follow(ID));
  await settled();
  page.hidden = true;
  page.tell("visibilitychange");
  await settled();
  assert.equal(script.requests.length, 1);
});

test("online: another network, so another connection, however lately the old one was heard", async () => {
  const client = clientOf(get(null, { chunks: [FIRST], end: "hang" }), get("7-0", { chunks: [LAST] }));
  const seen = follow(client.follow(ID));
  await settled();
  page.tell("online");
  await settled();
  page.tell("online");
  await settled();
  assert.deepEqual(seen.events, ["attempt", "completed"]);
});

test("a page that wakes up does not ask before Retry-After", async () => {
  const busy = { status: 429, headers: { "retry-after": "20" }, chunks: [] };
  const client = clientOf(get(null, busy), get(null, { chunks: [FIRST, LAST] }));
  follow(client.follow(ID));
  await clock.pass(19_000);
  page.tell("online");
  await settled();
  assert.equal(script.requests.length, 1);
  await clock.pass(2_000);
  assert.equal(script.requests.length, 2);
});

for (const what of ["generation", "conversation"]) {
  test(`drain: the ${what} is followed elsewhere, though this connection stays`, async () => {
    const path = what === "generation" ? EVENTS : "/v1/conversations/c/events";
    const drain = { status: 200, headers: HEADERS, chunks: [FIRST, "event: drain\ndata: {}\n\n"], end: "hang" };
    const client = clientOf({ expect: { method: "GET", path }, answer: drain }, { expect: { method: "GET", path }, fail: "silent" });
    follow(what === "generation" ? client.follow(ID) : client.conversation("c"));
    await clock.pass(2_000);
    assert.equal(script.left, 0);
    assert.equal(script.signals[0].aborted, true);
  });
}

test("pauses are random, and grow to 15 s", async (context) => {
  const waits = async (random) => {
    context.mock.method(Math, "random", () => random);
    const heard = [];
    const onConnection = ({ state, ms }) => state === "waiting" && heard.push(ms);
    const client = clientOf(...Array(8).fill(refused(null)), get(null, { chunks: [FIRST, LAST] }));
    await clock.until(follow(client.follow(ID, { onConnection })).done);
    return heard;
  };
  assert.deepEqual(await waits(0), Array(8).fill(1000));
  assert.deepEqual(await waits(0.5), [1250, 1500, 2000, 3000, 5000, 8500, 8500, 8500]);
});

test("a caller that takes its time is no silence of the server", async () => {
  const client = clientOf(get(null, { chunks: [FIRST, LAST] }));
  const events = [];
  const following = (async () => {
    for await (const event of client.follow(ID)) {
      events.push(event.type);
      await new Promise((resolve) => setTimeout(resolve, 100_000));
    }
  })();
  await clock.until(following);
  assert.deepEqual(events, ["attempt", "completed"]);
});

test("leaving the loop closes the connection, and another loop goes on", async () => {
  const client = clientOf(get(null, { chunks: [FIRST], end: "hang" }), get("7-0", { chunks: [LAST] }));
  const generation = client.follow(ID);
  for await (const event of generation) {
    assert.equal(event.type, "attempt");
    break;
  }
  assert.equal(script.signals[0].aborted, true);
  assert.equal(page.listeners, 0);
  await clock.until(follow(generation).done);
  assert.equal(generation.state, "completed");
  assert.equal(page.listeners, 0);
});

test("an end leaves nothing behind", async () => {
  const client = clientOf(refused(null), get(null, { chunks: [FIRST, LAST] }));
  await clock.until(follow(client.follow(ID)).done);
  assert.equal(page.listeners, 0);
  assert.equal(clock.waiting, 0);
});

for (const [when, entries, ms] of [
  ["an answer is waited for", [{ expect: get(null).expect, fail: "silent" }], 0],
  ["events are waited for", [get(null, { chunks: [FIRST], end: "hang" })], 0],
  ["the next try is waited for", [refused(null)], 200],
  ["Retry-After is waited for", [get(null, { status: 503, headers: { "retry-after": "60" }, chunks: [] })], 1_000],
]) {
  test(`abort while ${when}`, async () => {
    const controller = new AbortController();
    const seen = follow(clientOf(...entries).follow(ID, { signal: controller.signal }));
    await clock.pass(ms);
    controller.abort(new Error("enough"));
    await settled();
    assert.equal(seen.error?.message, "enough");
    assert.equal(clock.waiting, 0);
    assert.equal(page.listeners, 0);
  });
}

test("a fetch that heeds no signal is left all the same", async () => {
  let tries = 0;
  const fetch = () => ((tries += 1) === 1 ? new Promise(() => {}) : Promise.resolve(new Response(FIRST + LAST, { headers: HEADERS })));
  const seen = follow(create({ url: "http://midstream.test", fetch }).follow(ID));
  await clock.until(seen.done);
  assert.deepEqual([tries, clock.waiting, seen.events.length], [2, 0, 2]);
});

test("abort before anything", async () => {
  const seen = follow(clientOf().follow(ID, { signal: AbortSignal.abort(new Error("enough")) }));
  await settled();
  assert.equal(seen.error.message, "enough");
});

test("abort between two events of one chunk: the second does not come", async () => {
  const controller = new AbortController();
  const events = [];
  await assert.rejects(async () => {
    const followed = clientOf(get(null, { chunks: [FIRST + LAST] })).follow(ID, { signal: controller.signal });
    for await (const event of followed) {
      events.push(event.type);
      controller.abort();
    }
  }, { name: "AbortError" });
  assert.deepEqual(events, ["attempt"]);
});

test("a generation that nobody answers for is given up after as many tries as are wanted", async () => {
  const post = { expect: { method: "POST", path: "/v1/generations" }, fail: "lost" };
  const asked = clientOf(...Array(3).fill(post)).create({ messages: [] }, { tries: 3 });
  await assert.rejects(clock.until(asked), (error) => {
    assert.ok(error instanceof MidstreamError);
    assert.deepEqual([error.status, error.code, error.retryable], [0, "unreachable", true]);
    return true;
  });
  assert.equal(page.listeners, 0);
});

test("a key of the caller's is sent, and a function is asked for the credential each time", async () => {
  const keys = ["first", "second"];
  script = new Script([refused(null), get(null, { chunks: [FIRST, LAST] })]);
  const client = create({ url: "http://midstream.test/", fetch: script.fetch, key: async () => keys.shift() });
  await clock.until(follow(client.follow(ID)).done);
  const sent = script.requests.map(({ headers }) => headers.get("authorization"));
  assert.deepEqual(sent, ["Bearer first", "Bearer second"]);
});

test("without following, a POST is answered by its id alone", async () => {
  const body = JSON.stringify({ id: ID, state: "queued" });
  const headers = { "content-type": "application/json" };
  const client = clientOf({
    expect: { method: "POST", path: "/v1/generations", headers: { accept: "application/json", "idempotency-key": "mine" } },
    answer: { status: 202, headers, chunks: [body] },
  });
  const generation = await client.create({ messages: [] }, { follow: false, idempotencyKey: "mine" });
  assert.equal(generation.id, ID);
  assert.equal(page.listeners, 0);
});

test("a page of something else is no answer", async () => {
  const answer = { status: 200, headers: { "content-type": "text/html" }, chunks: ["<!doctype html>"] };
  const seen = follow(clientOf(get(null, answer)).follow(ID));
  await settled();
  assert.deepEqual([seen.error.code, seen.error.retryable], ["no_midstream", false]);
});

test("an answer to a POST that names no generation is none", async () => {
  const answer = { status: 202, headers: { "content-type": "application/json" }, chunks: ["{}"] };
  const asked = clientOf({ expect: { method: "POST", path: "/v1/generations" }, answer }).create({});
  await assert.rejects(clock.until(asked), { code: "no_midstream" });
});

test("what is wrong in a request is in the message", async () => {
  const problem = { code: "invalid_request", detail: "Correct it.", errors: [{ pointer: "/messages", message: "is required" }] };
  const answer = { status: 422, headers: { "content-type": "application/problem+json" }, chunks: [JSON.stringify(problem)] };
  const asked = clientOf({ expect: { method: "POST", path: "/v1/generations" }, answer }).create({});
  await assert.rejects(clock.until(asked), { message: "/messages is required", code: "invalid_request", status: 422 });
});

test("a cancel that was lost is sent again", async () => {
  const expect = { method: "POST", path: `/v1/generations/${ID}/cancel` };
  const answer = { status: 200, headers: { "content-type": "application/json" }, chunks: [`{"id":"${ID}","state":"cancelled"}`] };
  const client = clientOf({ expect, fail: "lost" }, { expect, fail: "silent" }, { expect, answer });
  assert.equal((await clock.until(client.cancel(ID))).state, "cancelled");
});

test("a link is followed by its path, with what the stream is asked for", async () => {
  const path = "/s/secret/events?viewers=1";
  const client = clientOf({ expect: { method: "GET", path }, answer: { status: 200, headers: HEADERS, chunks: [FIRST, LAST] } });
  const generation = client.follow("/s/secret", { query: { viewers: 1, token: undefined } });
  await clock.until(follow(generation).done);
  assert.equal(generation.state, "completed");
});

for (const url of ["localhost:8000", "ftp://midstream.test", "http://name:secret@midstream.test", "http://midstream.test/?a=1", "/v1", ""]) {
  test(`an address that nothing can be sent to is refused at once: ${url || "none"}`, () => {
    assert.throws(() => create({ url }));
  });
}

for (const body of [{ errors: { messages: ["is required"] } }, { errors: [null] }, { errors: "no" }, { detail: null }, null]) {
  test(`a refusal in another server's words is no lost connection: ${JSON.stringify(body)}`, async () => {
    const answer = { status: 400, headers: { "content-type": "application/json" }, chunks: [JSON.stringify(body)] };
    const seen = follow(clientOf(get(null, answer)).follow(ID));
    await settled();
    assert.deepEqual([seen.error?.status, seen.error?.retryable], [400, false]);
    assert.notEqual(seen.error.message, "null");
  });
}

test("a wait without end that a stream asks for is one of a minute", async () => {
  const client = clientOf(get(null, { chunks: ["retry: 99999999999\n\n"] }), get(null, { chunks: [FIRST, LAST] }));
  const seen = follow(client.follow(ID));
  await clock.pass(59_000);
  assert.equal(script.left, 1);
  await clock.pass(3_000);
  assert.deepEqual(seen.events, ["attempt", "completed"]);
});

for (const what of ["generation", "conversation"]) {
  test(`a 204 that is no end of a ${what} is not asked for again at once`, async () => {
    const [path, followed] = what === "generation" ? [EVENTS, (client) => client.follow(ID)] : ["/v1/conversations/c/events", (client) => client.conversation("c")];
    const running = { expect: { method: "GET", path: `/v1/generations/${ID}` }, answer: { status: 200, headers: { "content-type": "application/json" }, chunks: ["{\"state\":\"running\"}"] } };
    const nothing = { expect: { method: "GET", path }, answer: { status: 204, chunks: [] } };
    const snapshot = what === "generation" ? [running] : [];
    const seen = follow(followed(clientOf(nothing, ...snapshot, { ...nothing, answer: { status: 410, chunks: [] } })));
    await settled();
    assert.equal(script.left, 1);
    await clock.until(seen.done);
    assert.equal(seen.error.status, 410);
  });
}

test("an answer that comes slowly is no silence", async () => {
  const pieces = [...`{"id":"${ID}","text":"ö"}`].flatMap((character) => [character, { silence_s: 30 }]);
  const answer = { status: 200, headers: { "content-type": "application/json" }, chunks: pieces };
  const client = clientOf({ expect: { method: "GET", path: `/v1/generations/${ID}` }, answer });
  assert.equal((await clock.until(client.snapshot(ID))).text, "ö");
});
