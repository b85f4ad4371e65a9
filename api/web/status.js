// Says how the newest answer is doing, in the words and the order in which that happens.
import { runs } from "./conversation.js";
import { say } from "./element.js";

const ENDS = { completed: "done", cancelled: "stopped", failed: "failed" };
const DWELL = 150; // ms that each word is shown, so that none is passed over

export class Status {
  #words = []; // still to be shown
  #newest = "";
  #timer = null;
  #key = null; // of the turn that it tells of
  #stages = new Set(); // that this turn has come to, so that each is said once
  #lost = false; // whether the connection was, while something ran
  constructor(node) { this.node = node; }
  clear() { say(this.node, this.#newest = ""); [this.#words, this.#key] = [[], null]; }

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

  /** Of a turn as it stands: what it has come to since it was looked at last. */
  follow(turn) { for (const [, word] of this.#reached(turn)) this.show(word); }

  /** Of a turn as it was found, not asked for: one that runs is taken up again. */
  found(turn) { runs(turn) && turn.attempts.length && this.#reached(turn) ? this.#lose() : this.follow(turn); }

  #reached({ key, state, position, attempts, parts }) {
    const place = position ? `queued · place ${position} in line` : "queued";
    const reached = attempts.length || ENDS[state] ? [] : [[place, place]];
    for (const { number, reason } of attempts) reached.push([number, number > 1 ? `thinking · ${reasonOf({ reason })}` : "thinking"]);
    if (parts.some(({ kind }) => kind !== "reasoning")) reached.push([`text ${attempts.length}`, "streaming"]);
    if (ENDS[state]) reached.push([state, ENDS[state]]);
    // Of one that had ended before it was looked at, the end alone is news.
    const old = ENDS[state] ? reached.slice(0, -1).map(([stage]) => stage) : [];
    if (key !== this.#key) [this.#key, this.#stages, this.#lost] = [key, new Set(old), false];
    const fresh = reached.filter(([stage]) => !this.#stages.has(stage));
    for (const [stage] of fresh) this.#stages.add(stage);
    return fresh;
  }

  /** Of the connection, while `running` runs. */
  connected({ state }, running) {
    if (running && state === "waiting") this.#lose();
    if (running && state === "open" && this.#lost) this.show(`resumed at event ${running.last_event_id?.split("-")[1] ?? 0}`);
    if (!running || state === "open") this.#lost = false;
  }

  #lose() { this.#lost = true; this.show("reconnecting"); }
}

/** Returns why an attempt took over from the one before, in words. */
export const reasonOf = ({ reason }) => String(reason).replaceAll("_", " ");
