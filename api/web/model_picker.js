// Which model is asked: one that the server lists, or any other that is typed. It is remembered.
import { Kept } from "./kept.js";

export class ModelPicker {
  #kept = new Kept("localStorage", "midstream.model");
  #standard = "";
  constructor(field, list) {
    Object.assign(this, { field, list });
    field.addEventListener("change", () => { this.#kept.text = field.value.trim() || null; });
  }

  /** The name as it stands; the default where it is empty. */
  get model() { return this.field.value.trim() || this.#standard || undefined; }

  /** Offers what the server lists. */
  offer(models) {
    const names = models.flatMap((model) => [...model.aliases, model.id]);
    this.list.replaceChildren(...names.map((name) => new Option(name, name)));
    const standard = models.find((model) => model.default);
    this.#standard = standard?.aliases[0] ?? standard?.id ?? "";
    this.field.value ||= this.#kept.text ?? this.#standard;
  }
}
