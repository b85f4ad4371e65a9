// midstream-client asks Midstream for answers, and follows them through lost connections (docs/protocol.md).
//
// A generation lives on the server. Whoever follows it keeps the id of the last event that came, the cursor, and comes
// back with it as often as it must: each event once, and none is missing. midstream-client.d.ts says what callers see.

const SILENCE = 45_000; // ms without a byte after which a connection is dead: heartbeats come every 15 s
const ASLEEP = 20_000; // the same, where the page was just brought back
const TRIES = 10; // of a request, before its caller hears of it; a stream has no bound
const EVENT_STREAM = "text/event-stream";
const JSON_TYPE = "application/json";
const ENDS = ["completed", "failed", "cancelled"];
export const create = (options) => new Client(options);

export class MidstreamError extends Error {
  constructor(message, { status = 0, code = "", ...fields }) {
    super(message);
    Object.assign(this, { name: "MidstreamError", status, code, retryable: false, retryAfter: 0 }, fields);
  }
}

class Client {
  constructor({ url = "", key, fetch = (...request) => globalThis.fetch(...request), silence = SILENCE } = {}) {
    Object.assign(this, { url: url.replace(/\/+$/, ""), key, fetch, silence });
    if (!globalThis.location) new URL(url); // throws here, and not in each of endless tries
    if (/^(?!https?:)[^/]*:|[?#@]/.test(url)) throw stranger({ url });
  }

  async create(body, { idempotencyKey: key = idempotencyKey(), follow = true, tries = TRIES, ...options } = {}) {
    const headers = { "Content-Type": JSON_TYPE, Accept: follow ? EVENT_STREAM : JSON_TYPE, "Idempotency-Key": key };
    const post = { path: "/v1/generations", method: "POST", headers, body: JSON.stringify(body) };
    const generation = new Generation(this, { id: null }, options, post);
    await generation.open(tries);
    if (!follow) generation.close();
    return generation;
  }

  follow(followed, { after = null, ...options } = {}) {
    return new Generation(this, followed.id ? followed : { id: followed, last_event_id: after }, options);
  }

  snapshot(id, options) { return this.json("GET", pathOf(id), null, options); }
  cancel(id, options) { return this.json("POST", `${pathOf(id)}/cancel`, null, options); }
  conversation(id, options) { return new Conversation(this, id, options); }
  conversations(options) { return this.json("GET", "/v1/conversations", null, options); }

  json(method, path, body = null, { limit, before, signal, tries = TRIES } = {}) {
    const connection = new Connection(this, { signal });
    const headers = { Accept: JSON_TYPE, ...(body && { "Content-Type": JSON_TYPE }) };
    const request = { path: path + queryOf({ limit, before }), method, headers, body: body && JSON.stringify(body) };
    return connection.ask(request, tries).then(({ json }) => json).finally(() => connection.close());
  }

  async send({ path, headers, ...init }) {
    const key = typeof this.key === "function" ? await this.key() : this.key;
    if (key) headers = { Authorization: `Bearer ${key}`, ...headers };
    return this.fetch(this.url + path, { ...init, cache: "no-store", headers });
  }
}

/** The way to the server for one caller: it tries again, gives up what is dead, and wakes up with the machine. */
class Connection {
  retry = 1000; // ms that the server wants between two connections of a stream
  failures = 0; // since the last event
  reader = null; // of the stream, while one is open
  #decode;
  #events = []; // read, and not yet given out
  #closed = new AbortController();
  #present; // of the present request
  #heard = 0; // when its last byte came
  #giveUp; // ends the wait for the next one
  #hurry; // ends a pause

  constructor(client, { signal, onConnection = () => {} } = {}) {
    Object.assign(this, { client, signal, onConnection });
    const listen = (target, type, heard) => target?.addEventListener?.(type, heard, { signal: this.#closed.signal });
    listen(signal, "abort", () => this.#wake(0, true));
    listen(globalThis, "online", () => this.#wake(0));
    listen(globalThis, "pageshow", () => this.#wake(ASLEEP));
    listen(globalThis.document, "visibilitychange", () => document.hidden || this.#wake(ASLEEP));
  }

  /** Sends a request until an answer says yes: a stream, or `json`. Throws for a no, or after so many tries. */
  async ask(request, tries = Infinity, least = 0) {
    for (;;) {
      try {
        return await this.#once(request);
      } catch (failure) {
        this.#checkAborted();
        const error = failure instanceof MidstreamError ? failure : unreachable(failure);
        if (!error.retryable || this.failures + 1 >= tries) throw error;
        await this.pause(least, error);
      }
    }
  }

  async #once(request) {
    this.#checkAborted();
    this.#present = new AbortController();
    this.onConnection({ state: "connecting" });
    const response = await this.#alive(this.client.send({ ...request, signal: this.#present.signal }));
    if (!response.ok) throw await this.#alive(errorOf(response));
    if (response.status === 204) return { response };
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith(EVENT_STREAM)) {
      this.reader = response.body.getReader();
      this.#decode = decoder((ms) => { this.retry = ms; });
      this.onConnection({ state: "open" });
      return { response };
    }
    const follows = !request.body && request.headers.Accept === EVENT_STREAM;
    if (follows || !type.includes("json")) throw stranger(response);
    return { response, json: await this.#json(response.body.getReader()) };
  }

  async #json(reader, characters = new TextDecoder(), text = "") {
    const { value, done } = await this.#alive(reader.read());
    return done ? JSON.parse(text) : this.#json(reader, characters, text + characters.decode(value, { stream: true }));
  }

  /** Returns the next event, or null where the connection has ended or is dead: that is never the end of a stream. */
  async next() {
    try {
      while (this.#events.length === 0) {
        const { value, done } = await this.#alive(this.reader.read());
        if (done) return null;
        this.#events = this.#decode(value);
      }
    } catch { this.#events = []; }
    this.#checkAborted();
    if (this.#events.length) this.failures = 0;
    return this.#events.shift() ?? null;
  }

  /** Waits before the next try: what the server asks for, and a random time that grows with each failure. */
  async pause(least, error) {
    this.#drop();
    const retryAfter = error?.retryAfter ?? 0;
    const ms = Math.max(least, retryAfter) + Math.random() * Math.min(15_000, 250 * 2 ** ++this.failures);
    this.onConnection({ state: "waiting", ms, error });
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      // The server's word counts more than that the page is back.
      this.#hurry = (aborted) => { if (aborted || !retryAfter) resolve(clearTimeout(timer)); };
    });
  }

  close() { this.#closed.abort(); this.#drop(); }

  /** Waits for what the server sends; after a long silence the connection is dead, though nobody says so. */
  #alive(promise) {
    this.#heard = Date.now();
    const timer = setTimeout(() => this.#drop(), this.client.silence);
    const givenUp = new Promise((_, reject) => { this.#giveUp = reject; });
    return Promise.race([promise, givenUp]).finally(() => clearTimeout(timer));
  }

  #drop() {
    this.#present?.abort();
    this.#giveUp?.();
    this.reader = null;
    this.#events = [];
  }

  /** What was silent while the machine slept or changed its network is dead, and nobody wants to wait any longer. */
  #wake(silence, aborted) {
    if (Date.now() - this.#heard >= silence) this.#drop();
    this.#hurry?.(aborted);
  }

  #checkAborted() { if (this.signal?.aborted) throw this.signal.reason; }
}

/** Returns what turns bytes, cut anywhere, into events (WHATWG HTML, section 9.2.6). Half an event has no effect. */
function decoder(onRetry) {
  const characters = new TextDecoder();
  let pieces = []; // of a line that has not ended
  let afterReturn = false;
  let fields = { data: [] };
  const read = (line) => {
    const [name, value = ""] = line.split(/: ?(.*)/s);
    if (name === "data") fields.data.push(value);
    else if (line) fields[name] = value;
    if (line) return [];
    const { data, event: type, id, retry } = fields;
    fields = { data: [] };
    if (/^\d+$/.test(retry)) onRetry(Math.min(retry, 60_000));
    return data.length ? [{ type: type || "message", id: id || null, data: JSON.parse(data.join("\n")) }] : [];
  };
  return (bytes) => {
    let text = characters.decode(bytes, { stream: true });
    if (!text) return [];
    if (afterReturn && text.startsWith("\n")) text = text.slice(1);
    afterReturn = text.endsWith("\r");
    const lines = text.split(/\r\n|\n|\r/);
    pieces.push(lines[0]);
    if (lines.length === 1) return [];
    lines[0] = pieces.join("");
    pieces = [lines.pop()];
    return lines.flatMap(read);
  };
}

/** What can be followed: iterating gives each event once, over any number of connections. */
class Stream {
  cursor = null;
  ended = false;
  #connection = null;

  constructor(client, path, options = {}) { Object.assign(this, { client, path, options }); }

  async *[Symbol.asyncIterator]() {
    try {
      while (!this.ended) {
        const asks = !this.path;
        if (!this.#connection?.reader) await this.open();
        const connection = this.#connection;
        if (asks && !connection.reader) continue; // the answer said where to go on
        for (let event, leaves; !this.ended && !leaves && (event = await connection.next()); ) {
          leaves = await this.apply(event);
          yield event;
        }
        if (!this.ended) await connection.pause(connection.retry);
      }
    } finally { this.close(); }
  }

  /** Sends the request that is next, until it is answered. */
  async open(tries) {
    const connection = (this.#connection ??= new Connection(this.client, this.options));
    const asked = connection.ask(this.request(), tries, this.path ? connection.retry : 0);
    await asked.then((answer) => this.answered(answer)).catch((error) => { this.close(); throw error; });
  }

  /** Lets the connection go. What is followed goes on, and iterating again takes it up after the cursor. */
  close() { this.#connection?.close(); this.#connection = null; }
  answered() {}
  request() {
    const headers = { Accept: EVENT_STREAM, ...(this.cursor && { "Last-Event-ID": this.cursor }) };
    return { path: `${this.path}/events${queryOf(this.options.query)}`, method: "GET", headers };
  }
}

/** One answer: its events by iterating, and beside them what they add up to. */
class Generation extends Stream {
  #post;

  constructor(client, known, options, post) {
    super(client, null, options); // its path is known once the server has named it
    this.#post = post;
    this.#take({ ...NOTHING, ...known });
  }

  cancel(options) { return this.client.cancel(this.id, options); }
  request() { return this.path ? super.request() : this.#post; }
  async answered({ response, json }) {
    // Nothing follows the cursor, and who has not seen the end must be told how it was.
    if (response.status === 204) json = { ...(await this.client.snapshot(this.id, this.options)), id: this.id };
    const id = this.id ?? (response.headers.get("location")?.split("/").pop() || null);
    this.#take({ ...this.answer, id, ...json });
    if (json && !this.id) throw stranger(response);
  }
  apply(event) {
    this.#take(fold(this.answer, event));
    return event.type === "drain";
  }

  #take(answer) {
    const { id, state, text, parts, last_event_id: cursor } = answer;
    Object.assign(this, { answer, id, state, text, parts, cursor, ended: ENDS.includes(state) });
    this.path ??= id && pathOf(id);
  }
}

/** A conversation: events of all its turns by iterating, and beside them each as it stands, oldest first. */
class Conversation extends Stream {
  generations = [];
  title = null;
  next = null; // what `more` fetches
  whole = false; // whether turns are fetched beside the events

  constructor(client, id, { after = null, ...options } = {}) {
    super(client, `/v1/conversations/${encodeURIComponent(id)}`, options);
    Object.assign(this, { id, cursor: after });
  }

  create(body, options) { return this.client.create({ ...body, conversation: this.id }, options); }
  turns(options) { return this.client.json("GET", this.path, null, options); }
  rename(title, options) { return this.client.json("PATCH", this.path, { title }, options); }
  delete(options) { return this.client.json("DELETE", this.path, null, options); }

  async load() {
    const { cursor, title, next } = await this.#fetch();
    return Object.assign(this, { cursor, title, next, whole: true });
  }
  async more() { if (this.next !== null) this.next = (await this.#fetch({ before: this.next })).next; }

  async apply(event) {
    const { type, id, data } = event;
    this.generations = foldTurns(this.generations, event);
    this.cursor = type === "reset" ? null : (id ?? this.cursor);
    // The stream says what is answered; what was asked, and all that was said before a reset, is fetched.
    if (this.whole && type === "reset") return this.load();
    if (this.whole && data.generation && type !== "gone") await this.#fetch({ limit: 1, before: data.number + 1 });
    return type === "drain";
  }

  /** Puts turns among those that are known: what was heard of one counts more. The newest page stands for itself. */
  async #fetch(page) {
    const fetched = await this.turns({ ...this.options, ...page, tries: Infinity });
    const turns = new Map(fetched.generations.map((turn) => [turn.id, { ...NOTHING, ...turn }]));
    for (const turn of page ? this.generations : []) turns.set(turn.id, { ...turns.get(turn.id), ...turn });
    this.generations = [...turns.values()].sort((one, other) => one.number - other.number);
    return fetched;
  }
}

const NOTHING = {
  state: "queued", position: null, text: "", parts: [], attempts: [], superseded: [],
  response: null, usage: null, cost: null, finish_reason: null, error: null, last_event_id: null,
};

/** Returns the turns of a conversation after one more event of its stream. */
function foldTurns(turns, { type, id, data }) {
  if (type === "reset") return [];
  if (type === "gone") return turns.filter((turn) => turn.id !== data.generation);
  const change = (id, change) => turns.map((turn) => (turn.id === id ? { ...turn, ...change(turn) } : turn));
  if (data.generation) { // one begins
    const { generation, ...fields } = data;
    if (turns.some((turn) => turn.id === generation)) return change(generation, () => fields);
    return [...turns, { ...NOTHING, id: generation, ...fields }];
  }
  const [tail, own = null] = id?.split(/\.(.*)/) ?? [];
  return change(tail ? `gen_${tail}` : data.id, (turn) => fold(turn, { type, id: own, data }));
}

/** Returns what a generation's events add up to, in the shape of its snapshot, after one more of them. */
export function fold(answer, { type, id, data }) {
  if (type === "reset") return { ...answer, ...NOTHING };
  const { t, sequence_number, ...said } = data;
  const next = { ...answer, last_event_id: id ?? answer.last_event_id };
  if (ENDS.includes(type)) return end(next, type, said);
  switch (type) {
    case "queued": case "viewers": case "usage": return { ...next, ...said, id: next.id ?? said.id };
    case "response": return { ...next, response: { ...next.response, ...said } };
    case "attempt": return begin(said.number === 1 ? { ...next, ...NOTHING, last_event_id: id } : next, said);
    default: return CHANGES[type] ? withParts(next, partsAfter(next, CHANGES[type], said)) : next;
  }
}

const withParts = (answer, parts) =>
  ({ ...answer, parts, text: parts.map(({ kind, text }) => (kind === "text" ? text : "")).join("") });

/** A new attempt goes on with what was said, or supersedes all of it. The numbers of parts count within an attempt. */
function begin({ parts, superseded, ...answer }, attempt) {
  const next = { ...answer, superseded, state: "running", position: null, attempts: [...answer.attempts, attempt] };
  if (attempt.continues) return withParts(next, parts.map((part) => ({ ...part, part: null })));
  if (parts.length) next.superseded = [...superseded, { reason: attempt.reason, parts }];
  return { ...withParts(next, []), response: null, usage: null };
}

function end(answer, state, { usage, code, message, retryable, status, retry_after_ms, ...said }) {
  const error = state === "failed" ? { code, message, retryable, status, retry_after_ms } : null;
  const parts = answer.parts.map(({ part, ...last }) => last);
  return { ...answer, ...said, parts, state, position: null, error, usage: usage ?? answer.usage };
}

/** The part of this number grows, or one begins. One that `resumes` is the newest of its kind, and of its id. */
function partsAfter({ parts }, change, { part: number, resumes, ...said }) {
  const { kind, item_id } = said;
  const found = parts.findLastIndex((part) =>
    resumes ? part.kind === kind && part.item_id === item_id : part.part === number);
  if (found < 0 && !kind) return parts; // of a part whose beginning was before the cursor
  const at = found < 0 ? parts.length : found;
  const text = kind === "tool_call" || kind === "file" ? null : "";
  const part = parts[at] ?? { kind, text, call_id: null, name: null, arguments: null, complete: false };
  return Object.assign([...parts], { [at]: { ...part, ...change(part, said), part: number } });
}

/** What an event says of its part. */
const CHANGES = { part: (_, said) => said, delta: grown, annotation: annotated, part_end: ended };

function grown(part, { delta, logprobs }) {
  const beside = logprobs && { logprobs: [...(part.logprobs ?? []), ...logprobs] };
  if (part.kind === "tool_call") return { ...beside, arguments_text: (part.arguments_text ?? "") + delta };
  if (part.kind !== "file") return { ...beside, text: part.text + delta };
  const data = (part.data ?? "") + delta;
  return { ...beside, data, size: (data.length >> 2) * 3 + 1 - data.slice(-2).split("=").length };
}

function annotated({ annotations = [] }, { fields, protocol }) {
  return { annotations: [...annotations, fields], ...(protocol && { annotation_protocol: protocol }) };
}

/** A call's arguments are whole now. No text is how some providers say that there are none. */
function ended({ kind, arguments_text: text }, said) {
  const whole = { ...said, complete: true };
  try {
    return kind === "tool_call" ? { ...whole, arguments: JSON.parse(text || "{}"), arguments_text: undefined } : whole;
  } catch ({ message }) {
    return { ...whole, arguments_error: message };
  }
}

const pathOf = (id) => (id.startsWith("/") ? id : `/v1/generations/${encodeURIComponent(id)}`);
const queryOf = (fields = {}) => {
  const given = Object.entries(fields).filter(([, value]) => value != null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
};
// Unlike randomUUID this is there over plain HTTP too.
export const idempotencyKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

const stranger = ({ url, status }) => new MidstreamError(`${url} is no Midstream.`, { status, code: "no_midstream" });
const unreachable = (cause) => new MidstreamError("No answer.", { cause, code: "unreachable", retryable: true });

/** Reads why a request is refused (RFC 9457); a proxy may say anything. */
async function errorOf(response) {
  const { status, headers } = response;
  const { code, detail, errors } = Object(await response.json().catch(() => null));
  const wrong = errors?.map?.((error) => `${error?.pointer} ${error?.message}`).join("; ");
  const retryable = /^(5..|408|425|429)$/.test(status) && headers.get("x-should-retry") !== "false";
  const retryAfter = Math.min(headers.get("retry-after") * 1000 || 0, 86_400_000);
  return new MidstreamError(wrong || detail || `HTTP ${status}`, { status, code, errors, retryable, retryAfter });
}
