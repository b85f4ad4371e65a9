// The conversations that there are, newest first: to open, to name, to delete.
import { addressOf } from "./address.js";
import { button, element } from "./element.js";

const UNDO = 7000; // ms in which a deletion can be taken back

export class ConversationList {
  current = null; // which is open
  #rows = [];
  #next = null;
  #deleting = new Map(); // by id, the timer of a deletion
  #list = element("ul");
  #more = button("Show more", () => this.refresh(this.#next), { hidden: true });
  /** `open(id)` shows one, `deleted()` hears that the current one goes, `failed(error)` what went wrong, `reached()` that nothing did. */
  constructor(client, nav, listener) {
    Object.assign(this, { client }, listener);
    nav.append(this.#list, this.#more);
    addEventListener("pagehide", () => this.#deleteNow());
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#deleteNow() : this.refresh()));
  }

  /** Fetches them anew, or those behind a place. */
  async refresh(before = null) {
    if (this.#list.closest("[hidden]")) return; // whoever reads by a link needs no key
    const page = await this.client.conversations({ limit: 50, before, tries: 3 }).catch(this.failed);
    if (!page) return;
    this.#rows = before ? [...this.#rows, ...page.data] : page.data;
    this.#next = page.next;
    this.reached();
    this.show();
  }

  show() {
    if (this.#list.querySelector("input:focus")) return; // a title is being written
    this.#more.hidden = this.#next === null;
    const focused = this.#list.contains(document.activeElement) && named(document.activeElement);
    this.#list.replaceChildren(...this.#rows.map((row) => (this.#deleting.has(row.id) ? this.#gone(row) : this.#row(row))));
    if (focused) [...this.#list.querySelectorAll("a, button")].find((node) => named(node) === focused)?.focus();
  }

  #row({ id, title }) {
    const name = title || "Untitled";
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.open(id);
    };
    const known = { href: addressOf(id), text: name, title: name, dir: "auto", "aria-current": id === this.current && "page" };
    const link = element("a", { ...known, on: { click: press } });
    const rename = button("✎", () => this.#rename(item, id, title), { "aria-label": `Rename ${name}`, title: "Rename" });
    const remove = button("×", () => this.#delete(id), { "aria-label": `Delete ${name}`, title: "Delete" });
    const item = element("li", {}, link, rename, remove);
    return item;
  }

  #gone({ id, title }) {
    const undo = () => { clearTimeout(this.#deleting.get(id)); this.#deleting.delete(id); this.show(); };
    return element("li", { class: "gone" }, element("span", { text: `Deleted: ${title || "Untitled"}` }), button("Undo", undo));
  }

  #rename(item, id, title) {
    const field = element("input", { type: "text", "aria-label": "Title", maxlength: 200 });
    field.value = title;
    field.addEventListener("keydown", async (event) => {
      if (!["Enter", "Escape"].includes(event.key) || event.isComposing) return;
      field.remove();
      const wanted = field.value.trim();
      if (event.key === "Enter" && wanted) await this.client.conversation(id).rename(wanted, { tries: 3 }).catch(this.failed);
      this.refresh();
    });
    item.replaceChildren(field);
    field.select();
  }

  #delete(id) {
    this.#deleting.set(id, setTimeout(() => this.#send(id), UNDO));
    this.show();
    if (id === this.current) this.deleted();
  }

  #deleteNow() { for (const id of this.#deleting.keys()) this.#send(id); }

  async #send(id) {
    clearTimeout(this.#deleting.get(id));
    const gone = () => { this.#rows = this.#rows.filter((row) => row.id !== id); };
    await this.client.conversation(id).delete({ tries: 5 }).then(gone, this.failed);
    this.#deleting.delete(id);
    this.show();
  }
}

const named = (node) => node.ariaLabel ?? node.textContent;
