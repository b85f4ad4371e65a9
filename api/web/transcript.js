// The turns of what is open, one below the other. What has not changed is left alone.
import { TurnView } from "./turn.js";

export class Transcript {
  #views = new Map();
  constructor(log) { this.log = log; }

  show(turns, actions) {
    const shown = new Set(turns.map((turn) => turn.key));
    for (const [key, view] of this.#views) if (!shown.has(key) && this.#views.delete(key)) view.remove();
    let above = null;
    for (const turn of turns) {
      const view = this.#views.get(turn.key) ?? new TurnView(actions);
      this.#views.set(turn.key, view);
      const next = above ? above.nextSibling : this.log.firstChild;
      if (next !== view.you) this.log.insertBefore(view.you, next);
      if (view.you.nextSibling !== view.answer) view.you.after(view.answer);
      view.update(turn);
      above = view.answer;
    }
  }
}
