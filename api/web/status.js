// Says how the newest answer is doing, in the words and the order in which that happens.
import { runs } from "./conversation.js";
import { say } from "./element.js";

const ENDS = { completed: "done", cancelled: "stopped", failed: "failed" };
const DWELL = 150; // ms that each word is shown, so that none is passed over

export class Status {
  #words = []; // still to be shown
  #newest = "";
  #timer = null;
  #lost = false; // whether the connection was, while something ran
  constructor(node) { this.node = node; }
  clear() { say(this.node, this.#newest = ""); this.#words = []; }

  show(text) {
    if (text === this.#newest) return;
    this.#newest = text;
    this.#words.push(text);
    if (this.#timer === null) this.#step();
  }

  #step() {
    this.#timer = this.#words.length ? setTimeout(() => this.#step(), DWELL) : null;
    if (this.#words.length) say(this.node, this.#words.shift());
  }

  /** Of a turn as it was found, not heard of: one that runs is taken up again, one that was just `asked` may have come far. */
  found({ state, attempts, text, position }, asked = false) {
    if (asked && !/^(queued|reconnecting)/.test(this.#newest)) return;
    this.#lost &&= !asked;
    if (!asked && state === "running") this.#lose();
    else if (state === "queued") this.#queued({ position });
    else for (const word of [attempts.length && "thinking", text && "streaming", ENDS[state]]) if (word) this.show(word);
  }

  /** What an event says of the turn that it changed. */
  heard({ type, data }, turn) {
    if (type === "queued") this.#queued(turn);
    else if (type === "attempt") this.show(data.number > 1 ? `thinking · ${reasonOf(data)}` : "thinking");
    else if (type === "delta" && data.kind !== "reasoning" && this.#newest.startsWith("thinking")) this.show("streaming");
    else if (ENDS[type]) this.show(ENDS[type]);
    else if (type === "drain" && turn && runs(turn)) this.#lose();
  }

  /** Of the connection, while `running` runs. */
  connected({ state }, running) {
    if (running && state === "waiting") this.#lose();
    if (running && state === "open" && this.#lost) this.show(`resumed at event ${running.last_event_id?.split("-")[1] ?? 0}`);
    if (!running || state === "open") this.#lost = false;
  }

  #queued({ position }) { this.show(position ? `queued · place ${position} in line` : "queued"); }

  #lose() {
    this.#lost = true;
    this.show("reconnecting");
  }
}

/** Returns why an attempt took over from the one before, in words. */
export const reasonOf = ({ reason }) => String(reason).replaceAll("_", " ");
