// What went wrong and what to do about it, where everybody sees it.
import { element } from "./element.js";

const UNREACHABLE = "The server does not answer. Check the connection; it is tried again.";

export class Alerts {
  constructor(node) { this.node = node; }

  /** Says it until it is cleared; a screen reader reads it once. */
  show(text) {
    if (this.node.textContent !== text) this.node.replaceChildren(element("p", { role: "alert", text }));
  }

  clear() { this.node.replaceChildren(); }
  reached() { if (this.node.textContent === UNREACHABLE) this.clear(); }
}

/** Says of an error what its reader can do. */
export function advice({ code, status, message }) {
  if (code === "unreachable") return UNREACHABLE;
  if (status === 410) return "It has expired or was deleted. Press New chat to begin another.";
  return status === 404 ? "There is no such conversation or answer here, or it belongs to another key." : message;
}
