// Keeps the newest in sight for who looks at it, and leaves alone who reads further up.

const NEAR = 48; // pixels from the end that still are the end

export class Scroll {
  #follows = true;
  #top = 0; // where the view was
  constructor(view, jump) {
    Object.assign(this, { view, jump });
    view.addEventListener("scroll", () => this.#moved(), { passive: true });
    jump.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.grown()).observe(view);
  }

  /** After what is shown has grown. */
  grown() {
    if (this.#follows) this.view.scrollTop = this.view.scrollHeight;
    this.jump.hidden = this.#isNear();
  }

  toEnd() { this.#follows = true; this.grown(); }

  /** Who goes up by however little wants to stay there; a view that has become shorter is still at its end. */
  #moved() {
    const up = this.view.scrollTop < this.#top;
    this.#follows = up ? this.#isNear(1) : this.#follows || this.#isNear();
    this.#top = this.view.scrollTop;
    this.grown();
  }

  #isNear(pixels = NEAR) { return this.view.scrollHeight - this.view.scrollTop - this.view.clientHeight <= pixels; }
}
