// Somebody who has a conversation open as a page has it: what was said so far, and all that comes, added up.
import { ENDS, now } from "./follower.mjs";
import { ConversationFollower } from "./conversation_follower.mjs";
import { hashed } from "./tap.mjs";

export class Page extends ConversationFollower {
  #turns = { generations: [] };

  fetch(path, init) { return fetch(this.chaos.apis[this.chance.choice(Object.keys(this.chaos.apis))] + path, init); }

  async stay() {
    const { signal } = (this.leave = new AbortController());
    const until = this.chaos.restless ? Date.now() + this.chance.exponential(this.command.stay) * 1000 : Infinity;
    try {
      this.#turns = await this.client.conversation(this.command.conversation, { signal }).load();
      if (!this.hasEnough()) {
        for await (const _ of this.#turns) if (this.hasEnough() || Date.now() > until) break;
      }
    } catch (error) {
      if (!signal.aborted) this.failed(error);
    }
    this.#turns.close?.();
    if (this.hasEnough()) {
      this.ended = true;
      this.#say("left");
    }
  }

  hasEnough() {
    const ended = new Set(this.#turns.generations.filter(({ state }) => ENDS.has(state)).map(({ id }) => id));
    return this.wanted !== null && this.wanted.every((turn) => ended.has(turn));
  }

  giveUp() {
    this.gaveUp = true;
    this.#say("hung");
    this.interrupt();
  }

  #say(how) {
    const { viewer, conversation } = this.command;
    const turns = this.#turns.generations.map(({ number, id, state, text }) => [number, id, state, hashed(text)]);
    this.chaos.say({ kind: "page", at: now(), viewer, conversation, how, turns });
  }
}
