// Somebody who wants to see one generation to its end.
import { Follower, now } from "./follower.mjs";
import { hashed } from "./tap.mjs";

export class GenerationFollower extends Follower {
  constructor(chaos, command) {
    super(chaos, command);
    this.id = command.id ?? "";
  }

  line() { return { kind: "view", id: this.id }; }
  stream(after, signal) { return this.client.follow(this.id, { after, signal }); }

  invented(newest) {
    const [token, seq] = (newest ?? "1-0").split("-");
    return `${Number(token) - 1}-${seq}`;
  }

  aside(path, response) {
    // At a 204 the client asks for the snapshot, which has all.
    if (path === `/v1/generations/${this.id}`) this.whole = true;
    return response;
  }

  /** What the events add up to for who was told all of them. */
  finished({ text, state }) {
    this.ended = true;
    const { viewer } = this.command;
    if (this.whole) this.chaos.say({ kind: "folded", at: now(), viewer, id: this.id, state, text: hashed(text) });
  }
}
