// One generation by itself, at its own address or by a link: it is read, and nothing is asked.
import { runs } from "./conversation.js";

export class SingleGeneration {
  title = null;
  hasMore = false;
  #closed = new AbortController();
  #there = false; // whether the server has said anything of it
  /** `id` is a generation's, or the path of a link; `listener` is as a conversation's. */
  constructor(client, id, listener) {
    Object.assign(this, { id, listener });
    this.stream = client.follow(id, { signal: this.#closed.signal, onConnection: listener.connected, query: { viewers: 1 } });
  }

  get running() { return this.turns.filter(runs); }
  get turns() { return this.#there ? [{ ...this.stream.answer, key: this.id, own: [], versions: [] }] : []; }

  /** Follows it to its end. Throws where there is none. */
  async open() {
    const changed = () => { this.#there = true; this.listener.changed(); };
    for await (const event of this.stream) {
      this.listener.heard(event, this.stream.answer);
      changed();
    }
    changed(); // one that has nothing more to say ends without an event
  }

  close() { this.#closed.abort(); }
}
