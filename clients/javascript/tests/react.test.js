// The hooks in React's strict mode, which mounts everything twice, over a server that answers as the test says.

import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";

import { Window } from "happy-dom";
import { Activity, createElement, StrictMode, useEffect } from "react";

import { create } from "midstream-client";

import { settled } from "./clock.js";

const window = new Window();
for (const name of ["window", "document", "navigator"]) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
const { createRoot } = await import("react-dom/client");
const { useConversation, useGeneration } = await import("midstream-client/react");
after(() => window.happyDOM.close());

const PATIENCE = { timeout: 20_000 };
const ID = `gen_${"a".repeat(32)}`;
const OTHER = `gen_${"b".repeat(32)}`;
const STREAM = { "content-type": "text/event-stream" };
const frame = (id, type, data) => `event: ${type}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`;
const begun = (text) => frame("7-0", "attempt", { number: 1, reason: "new", continues: false, t: 0 }) + frame("7-1", "part", { part: 0, kind: "text", t: 0 })
  + frame("7-2", "delta", { part: 0, kind: "text", delta: text, t: 0 });
const end = frame("7-9", "completed", { finish_reason: "stop", usage: null, cost: null, t: 0 });

/** A server: `answer` says what each request gets; streams stay open until the test ends or the client leaves. */
class Server {
  requests = [];
  left = 0; // requests whose client has gone
  #streams = new Set();

  constructor(answer) {
    this.client = create({ url: "http://midstream.test", fetch: async (url, init) => {
      const request = { method: init.method, path: url.replace("http://midstream.test", ""), headers: new Headers(init.headers), body: init.body && JSON.parse(init.body) };
      this.requests.push(request);
      init.signal.addEventListener("abort", () => { this.left += 1; });
      init.signal.throwIfAborted();
      return answer(request, (said, headers) => this.#stream(said, headers, init.signal));
    } });
  }

  get open() {
    return this.#streams.size;
  }

  say(text) {
    for (const controller of this.#streams) controller.enqueue(new TextEncoder().encode(text));
  }

  /** Ends all streams, as a server does that has nothing more to say. */
  end() {
    for (const controller of this.#streams) controller.close();
    this.#streams.clear();
  }

  #stream(said, headers, signal) {
    const body = new ReadableStream({
      start: (controller) => {
        this.#streams.add(controller);
        controller.enqueue(new TextEncoder().encode(said));
        signal.addEventListener("abort", () => {
          if (this.#streams.delete(controller)) controller.error(signal.reason);
        });
      },
    });
    return new Response(body, { headers: { ...STREAM, ...headers } });
  }
}

const roots = [];
afterEach(() => {
  for (const root of roots.splice(0)) root.unmount();
});

/** Renders a component that uses a hook; `hook` is what that gave last, `rendered` counts. */
function use(hook, props) {
  const seen = { hook: null, rendered: 0, texts: [] };
  function Component(given) {
    seen.hook = hook(given);
    seen.rendered += 1;
    const { text } = seen.hook;
    useEffect(() => { seen.texts.push([given.id, text]); }); // what is rendered, and not only thought of
    return createElement("p", null, seen.hook.text);
  }
  const root = createRoot(window.document.createElement("div"));
  roots.push(root);
  // What becomes hidden is unmounted, and keeps its state.
  seen.render = (given, mode = "visible") => {
    const component = createElement(Activity, { mode }, createElement(Component, given));
    root.render(createElement(StrictMode, null, component));
  };
  seen.leave = () => root.unmount();
  seen.render(props);
  return seen;
}

/** Waits until a condition holds. */
async function until(condition) {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `never: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a mount that is followed by another follows over one connection", PATIENCE, async () => {
  const server = new Server((_, stream) => stream(begun("Hello")));
  const seen = use(({ id }) => useGeneration(server.client, id), { id: ID });
  await until(() => seen.hook?.text === "Hello");
  assert.equal(server.open, 1);
  server.say(end);
  await until(() => seen.hook.state === "completed");
  assert.equal(seen.hook.text, "Hello");
});

test("what is asked keeps its key, and its id in the address begins nothing anew", PATIENCE, async () => {
  let tries = 0;
  const server = new Server((_, stream) => {
    tries += 1;
    if (tries === 1) throw new TypeError("fetch failed");
    return stream(begun("Hello"), { location: `/v1/generations/${ID}` });
  });
  const seen = use(({ id }) => useGeneration(server.client, id), { id: null });
  await until(() => seen.hook);
  assert.equal(server.requests.length, 0);
  seen.hook.create({ messages: [{ role: "user", content: "Hi" }] });
  await until(() => seen.hook.text === "Hello");
  assert.equal(seen.hook.id, ID);
  seen.render({ id: ID });
  server.say(end);
  await until(() => seen.hook.state === "completed");
  assert.equal(server.requests.length, 2);
  assert.equal(new Set(server.requests.map(({ headers }) => headers.get("idempotency-key"))).size, 1);
});

test("what is mounted again before its answer came asks with the same key", PATIENCE, async () => {
  const server = new Server((_, stream) => {
    if (server.requests.length === 1) return new Promise(() => {}); // it arrived, and its answer is lost
    return stream(begun("Hello"), { location: `/v1/generations/${ID}` });
  });
  const seen = use(() => useGeneration(server.client), {});
  await until(() => seen.hook);
  seen.hook.create({ messages: [] });
  await until(() => server.requests.length === 1);
  seen.render({}, "hidden");
  await until(() => server.left === 1);
  seen.render({});
  await until(() => seen.hook.text === "Hello");
  const keys = server.requests.map(({ headers }) => headers.get("idempotency-key"));
  assert.ok(keys.length > 1);
  assert.equal(new Set(keys).size, 1);
});

test("what is mounted again goes on after what it has", PATIENCE, async () => {
  const server = new Server(({ headers }, stream) => stream(headers.has("last-event-id") ? end : begun("Hello")));
  const seen = use(({ id }) => useGeneration(server.client, id), { id: ID });
  await until(() => seen.hook?.text === "Hello");
  seen.render({ id: ID }, "hidden");
  await until(() => server.open === 0);
  seen.render({ id: ID });
  await until(() => seen.hook.state === "completed");
  assert.equal(seen.hook.text, "Hello");
  assert.equal(server.requests.at(-1).headers.get("last-event-id"), "7-2");
});

test("another id is another answer: nothing of the first is shown with it", PATIENCE, async () => {
  const server = new Server(({ path }, stream) => stream(begun(path.includes(ID) ? "One" : "Two")));
  const seen = use(({ id }) => useGeneration(server.client, id), { id: ID });
  await until(() => seen.hook?.text === "One");
  seen.render({ id: OTHER });
  await until(() => seen.hook.text === "Two");
  assert.deepEqual(new Set(seen.texts.filter(([id]) => id === OTHER).map(([, text]) => text)), new Set(["", "Two"]));
  assert.equal(server.open, 1);
});

test("leaving closes the connection and cancels nothing", PATIENCE, async () => {
  const server = new Server((_, stream) => stream(begun("Hello")));
  const seen = use(({ id }) => useGeneration(server.client, id), { id: ID });
  await until(() => seen.hook?.text === "Hello");
  seen.leave();
  await until(() => server.open === 0);
  assert.ok(server.requests.every(({ method }) => method === "GET"));
});

test("what comes within a frame is rendered at once", PATIENCE, async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const server = new Server((_, stream) => stream(begun("")));
  const seen = use(({ id }) => useGeneration(server.client, id), { id: ID });
  while (seen.hook?.state !== "running") {
    await settled();
    context.mock.timers.tick(16);
  }
  await settled();
  const before = seen.rendered;
  for (let at = 0; at < 100; at += 1) {
    server.say(frame(`8-${at}`, "delta", { part: 0, kind: "text", delta: "x", t: 0 }));
    await settled();
    if (at === 50) context.mock.timers.tick(15);
  }
  assert.equal(seen.rendered, before);
  context.mock.timers.tick(1);
  await settled();
  assert.equal(seen.hook.text.length, 100);
  assert.ok(seen.rendered - before <= 2, "twice, as the mode is strict");
  seen.leave();
});

test("an error is told, and a failed answer's reason too", PATIENCE, async () => {
  const gone = new Server(() => new Response("{\"code\":\"gone\"}", { status: 410 }));
  const first = use(({ id }) => useGeneration(gone.client, id), { id: ID });
  await until(() => first.hook?.error);
  assert.equal(first.hook.error.code, "gone");
  const failed = frame("7-3", "failed", { code: "overloaded", message: "No room.", retryable: true, usage: null, cost: null, t: 0 });
  const failing = new Server((_, stream) => stream(begun("Half") + failed));
  const second = use(({ id }) => useGeneration(failing.client, id), { id: ID });
  await until(() => second.hook?.error);
  assert.deepEqual([second.hook.error.code, second.hook.text], ["overloaded", "Half"]);
});

test("cancel asks the server", PATIENCE, async () => {
  const server = new Server(({ method }, stream) => (method === "POST" ? Response.json({ id: ID, state: "cancelled" }) : stream(begun("Hello"))));
  const seen = use(({ id }) => useGeneration(server.client, id), { id: ID });
  await until(() => seen.hook?.text === "Hello");
  assert.deepEqual(await seen.hook.cancel(), { id: ID, state: "cancelled" });
  assert.equal(server.requests.at(-1).path, `/v1/generations/${ID}/cancel`);
});

test("a conversation that nobody knows begins with the first message, and is followed then", PATIENCE, async () => {
  let known = false;
  const turns = () => ({ id: "c", title: "Hi", next: null, cursor: null, generations: [{ id: ID, number: 1, state: "queued", text: "", parts: [], input: [{ role: "user", content: "Hi" }] }] });
  const own = (id) => `${ID.slice(4)}.${id}`;
  const server = new Server(({ method, path, body }, stream) => {
    if (method === "POST") {
      known = body.conversation === "c";
      return Response.json({ id: ID, state: "queued" }, { status: 202 });
    }
    if (path.endsWith("/events")) return stream((begun("Hello") + end).replace(/id: (\S+)/g, (_, id) => `id: ${own(id)}`));
    return known ? Response.json(turns()) : Response.json({ code: "not_found" }, { status: 404 });
  });
  const seen = use(() => useConversation(server.client, "c"), {});
  await until(() => server.requests.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([seen.hook.generations, seen.hook.error], [[], null]);
  assert.equal((await seen.hook.create({ messages: [{ role: "user", content: "Hi" }] })).id, ID);
  await until(() => seen.hook.generations[0]?.state === "completed");
  assert.deepEqual([seen.hook.title, seen.hook.generations[0].text, seen.hook.generations[0].input[0].content], ["Hi", "Hello", "Hi"]);
  assert.deepEqual([seen.hook.hasMore, seen.hook.error], [false, null]);
  assert.equal(server.open, 1);
});

test("older turns of a conversation are fetched when somebody asks", PATIENCE, async () => {
  const page = (number, id) => ({ id: "c", title: "Hi", cursor: null, next: number > 1 ? number : null, generations: [{ id, number, state: "completed", text: `${number}`, parts: [] }] });
  const server = new Server(({ path }, stream) => {
    if (path.includes("/events")) return stream(": \n");
    return Response.json(path.includes("before=2") ? page(1, ID) : page(2, OTHER));
  });
  const seen = use(() => useConversation(server.client, "c"), {});
  await until(() => seen.hook?.hasMore);
  await seen.hook.more();
  await until(() => !seen.hook.hasMore);
  assert.deepEqual(seen.hook.generations.map(({ text }) => text), ["1", "2"]);
});

test("what is cancelled before it is accepted ends once it is", PATIENCE, async () => {
  let accept;
  const accepted = new Promise((resolve) => { accept = resolve; });
  const server = new Server(async ({ path }, stream) => {
    if (path.endsWith("/cancel")) return Response.json({ id: path.split("/")[3], state: "cancelled" });
    if (path.includes(OTHER)) return stream(begun("Old"));
    await accepted;
    return stream(begun("New"), { location: `/v1/generations/${ID}` });
  });
  const seen = use(({ id }) => useGeneration(server.client, id), { id: OTHER });
  await until(() => seen.hook?.text === "Old");
  seen.hook.create({ messages: [] });
  await until(() => server.requests.some(({ path }) => path === "/v1/generations"));
  await until(() => seen.hook.text === "");
  await seen.hook.cancel();
  accept();
  await until(() => seen.hook.text === "New");
  const cancelled = server.requests.filter(({ path }) => path.endsWith("/cancel")).map(({ path }) => path);
  assert.deepEqual([...new Set(cancelled)], [`/v1/generations/${ID}/cancel`]);
});

/** A server with conversations: `known` says which turns each has, `slow` what must have happened before a page comes. */
function conversations(known, slow = {}) {
  return new Server(async ({ method, path, body }, stream) => {
    if (path.endsWith("/cancel")) return Response.json({ id: path.split("/")[3], state: "cancelled" });
    if (method === "POST") {
      known[body.conversation] = [ID];
      return Response.json({ id: ID, state: "queued" }, { status: 202 });
    }
    const name = path.split("/")[3].split("?")[0];
    if (path.endsWith("/events")) return known[name] ? stream(": \n") : Response.json({ code: "gone" }, { status: 410 });
    const turns = known[name];
    await slow[name];
    if (!turns) return Response.json({ code: "not_found" }, { status: 404 });
    const generations = turns.map((id, at) => ({ id, number: at + 1, state: "running", text: name, parts: [] }));
    return Response.json({ id: name, title: name, next: null, cursor: null, generations });
  });
}

test("another conversation that begins before its page came is followed", PATIENCE, async () => {
  let come;
  const server = conversations({ a: [OTHER] }, { b: new Promise((resolve) => { come = resolve; }) });
  const seen = use(({ id }) => useConversation(server.client, id), { id: "a" });
  await until(() => seen.hook?.generations.length === 1);
  seen.render({ id: "b" });
  await until(() => server.requests.some(({ path }) => path === "/v1/conversations/b"));
  await seen.hook.create({ messages: [] });
  come();
  await until(() => seen.hook.generations[0]?.id === ID);
});

test("what was just asked in a conversation is what cancel ends", PATIENCE, async () => {
  const server = conversations({ a: [OTHER] });
  const seen = use(({ id }) => useConversation(server.client, id), { id: "a" });
  await until(() => seen.hook?.generations.length === 1);
  await seen.hook.cancel();
  seen.hook.create({ messages: [] });
  await seen.hook.cancel();
  const cancelled = server.requests.filter(({ path }) => path.endsWith("/cancel")).map(({ path }) => path.split("/")[3]);
  assert.deepEqual(cancelled, [OTHER, ID]);
});

test("a conversation that was deleted begins anew with the next message", PATIENCE, async () => {
  const known = { a: [OTHER] };
  const server = conversations(known);
  const seen = use(({ id }) => useConversation(server.client, id), { id: "a" });
  await until(() => server.open === 1);
  delete known.a;
  server.end();
  await until(() => seen.hook.error);
  await seen.hook.create({ messages: [] });
  await until(() => seen.hook.generations[0]?.id === ID && !seen.hook.error);
});
