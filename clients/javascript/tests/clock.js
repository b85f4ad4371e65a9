/** Time that passes when the test says so: it stands for setTimeout, clearTimeout and Date.now until it is given back. */
export class Clock {
  now = 1_800_000_000_000;
  #timers = new Map();
  #numbers = 0;
  #real = { setTimeout, clearTimeout, now: Date.now };

  constructor() {
    globalThis.setTimeout = (call, ms = 0) => {
      this.#timers.set(++this.#numbers, { call, at: this.now + ms });
      return this.#numbers;
    };
    globalThis.clearTimeout = (number) => this.#timers.delete(number);
    Date.now = () => this.now;
  }

  giveBack() {
    Object.assign(globalThis, { setTimeout: this.#real.setTimeout, clearTimeout: this.#real.clearTimeout });
    Date.now = this.#real.now;
  }

  get waiting() {
    return this.#timers.size;
  }

  /** Lets so much time pass, and whatever is due in it happen. */
  async pass(ms) {
    const until = this.now + ms;
    await settled();
    for (let due; (due = this.#due(until)); await settled()) this.#fire(...due);
    this.now = until;
  }

  /** Lets time pass until a promise is settled, and returns what it gives. */
  async until(promise) {
    let done = false;
    const finish = () => { done = true; };
    promise.then(finish, finish);
    for (;;) {
      await settled();
      if (done) return promise;
      const due = this.#due(Infinity);
      if (!due) throw new Error("nothing is left to wait for");
      this.#fire(...due);
    }
  }

  #due(until) {
    const [first] = [...this.#timers].sort(([, one], [, other]) => one.at - other.at);
    return first && first[1].at <= until ? first : null;
  }

  #fire(number, { call, at }) {
    this.#timers.delete(number);
    this.now = Math.max(this.now, at);
    call();
  }
}

/** Whatever can happen without time having passed has happened. */
export async function settled() {
  for (let rounds = 0; rounds < 12; rounds += 1) await new Promise((resolve) => setImmediate(resolve));
}
