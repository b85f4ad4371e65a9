// One conversation: its turns as they stand, which of their versions are shown, and what is asked next.
import { idempotencyKey } from "./midstream-client.js";
import { forget, put, waiting } from "./outbox.js";
import { FIRST, shownTurns } from "./versions.js";

const ENDS = new Set(["completed", "failed", "cancelled"]);
const UNSAID = { state: "queued", position: null, text: "", parts: [], attempts: [], superseded: [], usage: null };

export const runs = (turn) => !ENDS.has(turn.state);

export class Conversation {
  #sending = null; // what was asked, until the stream tells of it
  #chosen = new Set(); // versions that are shown though they are not the newest
  #keys = new Map(); // by id, the name that a turn had before it had an id
  #stops = new Map(); // by id, what ends the trying to stop it
  #waits = new Map(); // by id, how many ms the first word took
  #closed = new AbortController();
  #followed = false;
  #last = Promise.resolve(); // what was sent before
  gone = false; // whether following it has ended for good
  /** `listener` hears of `changed()`, `heard(event, turn)`, `connected(connection)` and `failed(error)`. */
  constructor(client, id, listener) {
    Object.assign(this, { client, id, listener, signal: this.#closed.signal });
    this.stream = client.conversation(id, { signal: this.signal, onConnection: listener.connected, query: { viewers: 1 } });
  }

  get title() { return this.stream.title; }
  get hasMore() { return this.stream.next !== null; }
  get running() { return this.gone ? [] : this.#all().filter(runs); }

  /** The turns that are shown, oldest first: `key` names a turn for good, `own` are the messages that it adds. */
  get turns() {
    const shown = shownTurns(this.#all(), this.#chosen);
    for (const [at, turn] of shown.entries()) {
      const carried = turn.metadata?.follows ? goingOn(shown.slice(0, at), []).messages.length : 0;
      const own = (turn.input ?? []).slice(carried);
      Object.assign(turn, { own, waited: this.#waits.get(turn.id) });
    }
    return shown;
  }

  /** Shows what there is and then follows; resolves once it is shown. Throws where there is no such conversation. */
  async open() {
    await this.stream.load();
    this.#followed = true;
    this.#hasBegun();
    this.#follow().catch((error) => { this.gone = true; this.listener.changed(); this.listener.failed(error); });
  }

  async #follow() { for await (const event of this.stream) this.#hear(event); }

  #hear(event) {
    const tail = event.id?.split(".")[0];
    const id = tail ? `gen_${tail}` : event.data?.id;
    if (ENDS.has(event.type)) this.#stops.get(id)?.abort();
    if (event.type === "delta" && !this.#waits.has(id)) this.#waits.set(id, event.data.t);
    this.listener.heard(event, this.stream.generations.find((turn) => turn.id === id));
    this.#hasBegun();
  }

  #hasBegun() {
    if (this.#known().some((turn) => turn.id === this.#sending?.id)) this.#sending = null;
    this.listener.changed();
  }

  /** A turn has its place as soon as it is known what was asked. */
  #known() { return this.stream.generations.filter((turn) => turn.input !== undefined); }

  /** What others began while ours is on its way may be ours: it is shown when that is known. */
  #all() {
    const sending = this.#sending;
    const known = this.#known().filter((turn) => !sending || turn.number <= sending.after);
    return [...known, ...(sending ? [sending] : [])].map((turn) => ({ ...turn, key: this.#keys.get(turn.id) ?? turn.id }));
  }

  /** Asks for the next answer, or for another version of the turn that is named. Throws where that is refused. */
  ask(question) { return this.#inTurn(() => this.#ask(question)); }

  /** Sends a message of the outbox until it is accepted. Throws where it is refused, or nobody answers. */
  send(message) { return this.#inTurn(() => this.#send(message)); }
  #inTurn(action) { return (this.#last = this.#last.catch(() => {}).then(action)); }

  async #ask({ messages, model, tools, instead = null }) {
    const shown = this.turns;
    const at = instead ? shown.findIndex((turn) => turn.key === instead) : shown.length;
    const body = { model, tools, ...goingOn(shown.slice(0, at), messages) };
    const after = Math.max(0, ...this.stream.generations.map((turn) => turn.number));
    await this.#send(put({ key: idempotencyKey(), conversation: this.id, after, body }));
  }

  async #send({ key, after, body }) {
    this.#sending = { ...UNSAID, ...body, input: body.messages, id: key, number: Infinity, after };
    this.#chosen.clear();
    this.listener.changed();
    try {
      const onConnection = (connection) => connection.error && this.listener.connected(connection);
      // Whoever opens another conversation meanwhile has asked all the same: closing this one does not end it.
      const { id } = await this.stream.create(body, { idempotencyKey: key, follow: false, onConnection });
      this.#keys.set(id, key);
      this.#sending.id = id;
      forget(this.id);
    } catch (error) {
      if (!error.retryable) forget(this.id);
      this.#sending = null;
      this.listener.changed();
      throw error;
    }
    if (this.#sending.stopped) this.stop().catch(this.listener.failed);
    if (this.#followed || this.signal.aborted) this.#hasBegun();
    else await this.open().catch(this.listener.failed);
  }

  /** Stops what runs, for all who watch; tries until it has ended, also where the network comes back later. */
  async stop() {
    const { id = null, number } = this.running.findLast((turn) => !this.#stops.has(turn.id)) ?? {};
    if (number === Infinity && waiting(this.id)) this.#sending.stopped = true; // once it has an id
    else if (id) {
      this.#stops.set(id, new AbortController());
      const signal = AbortSignal.any([this.#stops.get(id).signal, this.signal]);
      await this.client.cancel(id, { tries: Infinity, signal });
    }
  }

  /** Shows a version, and what goes on from it. */
  choose(id) {
    const shown = this.turns;
    const at = shown.findIndex((turn) => turn.versions.includes(id));
    this.#chosen = new Set([...shown.slice(0, at).map((turn) => turn.id), id]);
    this.listener.changed();
  }

  async more() { await this.stream.more(); this.listener.changed(); }
  close() { this.#closed.abort(); }
}

/** Returns what a request says of the turns before it: the server knows what was said, and goes on from no failed one. */
function goingOn(before, messages) {
  const at = before.findLastIndex((turn) => turn.state !== "failed");
  const failed = before.slice(at + 1).flatMap((turn) => turn.own);
  const follows = before.at(-1)?.id ?? FIRST;
  return { previous: before[at]?.id, messages: [...unrun(before[at]), ...failed, ...messages], metadata: { follows } };
}

/** Returns results for the calls of an answer: this page runs no tools, and providers want a result for each call. */
function unrun({ parts = [], state, finish_reason: reason } = {}) {
  // A call that broke off is left out of what goes on, and a result without a call would not pair.
  const cut = state !== "completed" || reason === "length";
  const calls = parts.filter((part) => part.kind === "tool_call" && part.executor !== "provider" && !(cut && part.arguments == null));
  return calls.map((call) => ({ role: "tool", tool_call_id: call.call_id, content: "This client has not run it." }));
}
