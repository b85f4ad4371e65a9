// Somebody who asks for a generation, and reads on in the answer to the POST.
import { GenerationFollower } from "./generation_follower.mjs";
import { now } from "./follower.mjs";

const PATH = "/v1/generations";
const PATIENCE = 20; // seconds for which it asks on when all is over

export class Asker extends GenerationFollower {
  #calmSince = null;

  stream(after, signal) {
    if (this.id) return super.stream(after, signal);
    const { body, key } = this.command;
    return this.client.create(body, { idempotencyKey: key, signal });
  }

  isOfStream(path, init) { return path === PATH || super.isOfStream(path, init); }
  line() { return this.id ? super.line() : { kind: "asked" }; }

  async sent(view, init, send) {
    if (init.method !== "POST") return send();
    const { key, text, conversation } = this.command;
    const post = { kind: "post", at: 0, api: view.api, sent: now(), key, text, conversation, status: null, id: null };
    try {
      const response = await send();
      if (this.chance.random() < 0.05) throw new TypeError("the answer is lost");
      post.status = response.status;
      post.retry_after = response.headers.has("retry-after");
      if (response.status === 200) this.#accepted(view, post, response);
      return response;
    } finally {
      this.chaos.say({ ...post, at: now() });
    }
  }

  #accepted(view, post, response) {
    this.id = post.id = response.headers.get("location").split("/").pop();
    Object.assign(view, this.line());
    this.chaos.say({ kind: "accepted", viewer: this.command.viewer, id: this.id });
  }

  failed(error) {
    if (this.id) return super.failed(error);
    if (!error.retryable) throw error;
    this.#calmSince ??= this.chaos.restless ? null : now();
    this.ended = this.#calmSince !== null && now() - this.#calmSince > PATIENCE;
  }
}
