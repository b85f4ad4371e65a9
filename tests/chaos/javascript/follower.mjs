// Somebody who follows something with midstream-client: leaves, comes back, and writes down each connection.
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "../../../clients/javascript/src/midstream-client.js";
import { Chance } from "./chance.mjs";
import { Tap, tapped } from "./tap.mjs";

export const ENDS = new Set(["completed", "failed", "cancelled"]);
export const now = () => Date.now() / 1000;
const BASE = "http://midstream.test";

export class Follower {
  ended = false;
  seen = []; // ids of events, as they stand
  leave = new AbortController(); // of the present stay
  gaveUp = false;
  whole = false; // whether the client has been told all from the start on this stay
  #asked = ""; // the cursor that it gave the client, until an event has come
  #connections = 0;
  #view = null; // of the present connection, or of the one that has ended last
  #tap = new Tap();

  constructor(chaos, command) {
    Object.assign(this, { chaos, command, chance: new Chance(`${command.seed} ${command.viewer}`) });
    const fetch = (url, init) => this.fetch(url.slice(BASE.length), init);
    this.client = create({ url: BASE, fetch, silence: chaos.silence });
  }

  /** Follows until all was seen; in restless times it leaves without need, and comes back. */
  async follow() {
    while (!this.ended && !this.gaveUp) {
      await this.stay();
      if (!this.ended && !this.gaveUp) await sleep(this.chance.between(...this.command.pause) * 1000);
      this.ended ||= this.hasEnough(); // what there is to see may have become less while it was away
    }
  }

  async stay() {
    const cursor = this.#cursor();
    this.whole = cursor === null;
    this.#asked = cursor ?? "";
    const { signal } = (this.leave = new AbortController());
    const ms = this.chaos.restless ? this.chance.exponential(this.command.stay) * 1000 : Infinity;
    // Some leave at an event, others wherever they are.
    const anywhere = ms < Infinity && this.chance.random() < 0.5;
    const timer = anywhere ? setTimeout(() => this.leave.abort(), ms) : undefined;
    const until = Date.now() + ms;
    try {
      const stream = await this.stream(cursor, signal);
      for await (const event of stream) {
        this.#see(event);
        if (this.hasEnough() || Date.now() > until) break;
      }
      if (stream.ended) this.finished(stream);
    } catch (error) {
      if (!signal.aborted) this.failed(error);
    }
    clearTimeout(timer);
    this.#write();
    this.ended ||= this.hasEnough();
  }

  /** Where it goes on: at its newest event mostly, else further back, or where nothing ever was. */
  #cursor() {
    const newest = this.seen.at(-1) ?? null;
    const roll = this.chaos.restless ? this.chance.random() : 1;
    if (roll < 0.02) return this.invented(newest);
    if (roll < 0.1 && newest) return this.chance.choice(this.seen);
    return roll < 0.13 ? null : newest;
  }

  #see(event) {
    const { id, type } = event;
    if (id || type === "reset") this.#asked = null;
    this.#view.events.push([id ?? "", type, this.#tap.hash(event), now(), ...this.told(event)]);
    if (type === "reset") {
      this.seen = [];
      this.whole = true;
    } else if (id) {
      this.seen.push(id);
    }
  }

  /** Sends one request of the client to any of the APIs. */
  async fetch(path, init) {
    const api = this.chance.choice(Object.keys(this.chaos.apis));
    const send = () => fetch(this.chaos.apis[api] + path, init);
    if (!this.isOfStream(path, init)) return this.aside(path, await send());
    const view = this.#begin(api);
    init.signal.addEventListener("abort", () => this.#over(view, this.leave.signal.aborted ? "left" : "silent"));
    const response = await this.sent(view, init, send);
    view.status = response.status;
    if (response.status !== 200) return response;
    view.how = "";
    return tapped(response, (bytes) => this.#tap.read(bytes), (how) => this.#over(view, how));
  }

  /** Begins a connection. Whatever the client asks for, its caller was told so much: nothing of that may come again. */
  #begin(api) {
    this.#write();
    const cursor = this.#asked ?? this.seen.at(-1) ?? "";
    const { viewer } = this.command;
    const invented = cursor !== "" && !this.seen.includes(cursor);
    this.seen = invented || !cursor ? [] : this.seen.slice(0, this.seen.indexOf(cursor) + 1);
    this.#tap = new Tap();
    this.#view = {
      ...this.line(), viewer, connection: ++this.#connections, api, cursor, sent: now(), status: null, how: "refused",
      invented, events: [], at: 0,
    };
    return this.#view;
  }

  #over(view, how) {
    if (!view.at) Object.assign(view, { at: now(), how: view.how || how });
  }

  #write() {
    if (!this.#view) return;
    this.#over(this.#view, "left");
    this.chaos.say(this.#view);
    this.#view = null;
  }

  /** Leaves at once. */
  interrupt() { this.leave.abort(); }

  /** Writes down that it waits for something that does not come. */
  giveUp() {
    this.gaveUp = true;
    this.#begin(Object.keys(this.chaos.apis)[0]).how = "hung";
    this.#write();
    this.interrupt();
  }

  isOfStream(path) { return path.split("?")[0].endsWith("/events"); }
  sent(view, init, send) { return send(); }
  aside(path, response) { return response; }
  hasEnough() { return false; }
  told() { return []; }
  finished() { this.ended = true; }

  /** What is not there (any more) is not waited for. */
  failed(error) {
    if (![404, 410].includes(error.status)) throw error;
    this.ended = true;
  }
}
