// What the page keeps in the browser; where that is full or forbidden, for as long as the page is.

export class Kept {
  #text = null;
  /** `storage` is "localStorage" or "sessionStorage". */
  constructor(storage, name) {
    Object.assign(this, { storage, name });
    this.#text = this.#use("getItem");
  }

  get text() { return this.#text; }
  set text(text) {
    this.#text = text;
    this.#use("removeItem");
    if (text !== null) this.#use("setItem", text);
  }

  #use(what, ...values) { try { return globalThis[this.storage][what](this.name, ...values); } catch { return null; } }
}
