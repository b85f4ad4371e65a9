// Where a message is written, sent and stopped.
import { textOf } from "./export.js";

/** Calls `heard` where Enter was pressed in a field to send it: with Shift it is a new line. */
export const onEnter = (field, heard) => field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  heard();
});

export class Composer {
  /** `send(content)` and `stop()` are called. */
  constructor(form, attachments, { send, stop }) {
    Object.assign(this, { form, attachments, field: form.elements.message, send });
    form.addEventListener("submit", (event) => { event.preventDefault(); this.#send(); });
    onEnter(this.field, () => this.#send());
    form.elements.stop.addEventListener("click", stop);
    document.addEventListener("keydown", ({ key, isComposing }) => { if (key === "Escape" && !isComposing) stop(); });
  }

  #send() {
    const text = this.field.value.trim();
    if (this.isBusy || !(text || this.attachments.any)) return;
    const parts = this.attachments.take();
    this.field.value = "";
    this.send(parts.length ? [...parts, ...(text ? [{ type: "text", text }] : [])] : text);
  }

  /** Gives messages back that could not be sent; what was typed meanwhile stays. */
  restore(messages) {
    this.field.value = [textOf(messages), this.field.value].filter(Boolean).join("\n");
    this.attachments.restore(messages.flatMap(({ content }) => (Array.isArray(content) ? content : [])));
  }

  get isBusy() { return this.form.elements.send.disabled; }
  busy(running) { [this.form.elements.send.disabled, this.form.elements.stop.hidden] = [running, !running]; }
  focus() { this.field.focus(); }
}
