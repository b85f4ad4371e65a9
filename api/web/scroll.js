// Keeps the newest in sight for who looks at it, and leaves alone who reads further up.

const NEAR = 48; // pixels from the end that still are the end

export class Scroll {
  #follows = true;
  constructor(view, jump) {
    Object.assign(this, { view, jump });
    view.addEventListener("scroll", () => { this.#follows = this.#isNear(); this.grown(); }, { passive: true });
    jump.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.grown()).observe(view);
  }

  /** After what is shown has grown. */
  grown() {
    if (this.#follows) this.view.scrollTop = this.view.scrollHeight;
    this.jump.hidden = this.#isNear();
  }

  toEnd() { this.#follows = true; this.grown(); }
  #isNear() { return this.view.scrollHeight - this.view.scrollTop - this.view.clientHeight <= NEAR; }
}
