import assert from "node:assert/strict";

/** A server that answers each request as the next entry of a case says (clients/README.md); its `fetch` is the way to it. */
export class Script {
  requests = [];
  signals = [];

  constructor(entries) {
    this.entries = entries;
    this.fetch = this.fetch.bind(this);
  }

  get left() {
    return this.entries.length - this.requests.length;
  }

  async fetch(address, { method, headers, body, signal }) {
    const { pathname, search } = new URL(address, "http://midstream.test");
    const request = { method, path: pathname + search, headers: new Headers(headers), body: body ?? null };
    assert.ok(this.left > 0, `nobody expects ${method} ${request.path}`);
    const { expect, answer, fail } = this.entries[this.requests.length];
    this.requests.push(request);
    this.signals.push(signal);
    this.#check(request, expect);
    signal.throwIfAborted();
    if (fail === "silent") await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    if (fail) throw new TypeError("fetch failed");
    const empty = answer.status === 204;
    return new Response(empty ? null : bodyOf(answer, signal), answer);
  }

  #check(request, { method, path, headers = {}, body, same_key_as: other }) {
    assert.equal(request.method, method);
    assert.equal(request.path, path);
    for (const [name, value] of Object.entries(headers)) assert.equal(request.headers.get(name), value, name);
    if (body) assert.deepEqual(JSON.parse(request.body), body);
    const key = request.headers.get("idempotency-key");
    if (method === "POST" && path === "/v1/generations") assert.match(key, /^[!-~]{1,255}$/);
    if (other !== undefined) assert.equal(key, this.requests[other].headers.get("idempotency-key"));
  }
}

/** The bytes of an answer, as they come. */
function bodyOf({ chunks, end = "close" }, signal) {
  const left = [...chunks];
  return new ReadableStream({
    start(controller) {
      signal.addEventListener("abort", () => controller.error(signal.reason));
    },
    async pull(controller) {
      const chunk = left.shift();
      if (chunk?.silence_s) {
        await silence(chunk.silence_s * 1000, signal);
        if (!signal.aborted) return this.pull(controller);
      } else if (chunk !== undefined) controller.enqueue(bytesOf(chunk));
      else if (end === "close") controller.close();
      else if (end === "cut") controller.error(new TypeError("terminated"));
      else await new Promise(() => {}); // nothing more is ever heard
    },
  }, { highWaterMark: 0 });
}

const silence = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); });
});

const bytesOf = (chunk) => (chunk.hex ? Uint8Array.from(Buffer.from(chunk.hex, "hex")) : new TextEncoder().encode(chunk));
