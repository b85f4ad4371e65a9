// What went wrong and what to do about it, where everybody sees it.
import { element } from "./element.js";

export class Alerts {
  constructor(node) { this.node = node; }

  /** Says it until it is cleared; a screen reader reads it once. */
  show(text) {
    if (this.node.textContent !== text) this.node.replaceChildren(element("p", { role: "alert", text }));
  }

  clear() { this.node.replaceChildren(); }
}

/** Says of an error what its reader can do. */
export function advice({ code, status, message }) {
  if (code === "unreachable") return "The server does not answer. Check the connection; it is tried again.";
  return status === 404 ? "There is no such conversation or answer here, or it belongs to another key." : message;
}
