// Somebody who follows a conversation until it has no more turns.
import { ENDS, Follower } from "./follower.mjs";

const TURN = new Set(["generation", "begun", "gone"]);

export class ConversationFollower extends Follower {
  #ends = new Set(); // ids of events that are an end
  wanted = null; // ids of all turns that there will be, once that is known
  #deleted = false;

  line() { return { kind: "conversation_view", conversation: this.command.conversation }; }

  stream(after, signal) {
    return this.client.conversation(this.command.conversation, { after, signal });
  }

  /** Is told what there is to see. */
  want({ turns, deleted }) {
    this.wanted = turns;
    this.#deleted = deleted;
    if (this.hasEnough()) this.interrupt();
  }

  invented(newest) {
    if (!newest || this.chance.random() < 0.5) return `${"abcdefgh".repeat(4)}.1-0`;
    return newest.replace(/\d+-/, (token) => `${parseInt(token) - 1}-`);
  }

  told({ id, type, data }) {
    if (id && ENDS.has(type)) this.#ends.add(id);
    return TURN.has(type) ? [data.generation, data.number ?? 0] : ["", 0];
  }

  hasEnough() {
    if (!this.wanted) return false;
    const ended = new Set(this.seen.filter((id) => this.#ends.has(id)).map((id) => `gen_${id.split(".")[0]}`));
    return this.wanted.every((turn) => ended.has(turn));
  }

  finished() {} // it never is, whatever the client says

  failed(error) {
    if (![404, 410].includes(error.status)) throw error;
    this.ended = this.#deleted; // else it is not there yet
  }
}
