// Seeded numbers (Mulberry32, by Tommy Ettinger, public domain), so that one seed gives one sequence of choices.
export class Chance {
  #state;

  constructor(seed) {
    this.#state = [...seed].reduce((hash, letter) => Math.imul(hash ^ letter.codePointAt(0), 16777619), 2166136261) | 0;
  }

  random() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  between(least, most) { return least + this.random() * (most - least); }
  choice(list) { return list[Math.floor(this.random() * list.length)]; }
  exponential(mean) { return -mean * Math.log(1 - this.random()); }
}
