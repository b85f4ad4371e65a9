// One turn: what somebody asked, and the answer with all that belongs to it.
import { copyButton } from "./clipboard.js";
import { onEnter } from "./composer.js";
import { runs } from "./conversation.js";
import { button, element } from "./element.js";
import { textOf } from "./export.js";
import { Figures } from "./figures.js";
import { viewOf } from "./part.js";
import { reasonOf } from "./status.js";

const FADING = 8000; // ms that a superseded attempt is shown

export class TurnView {
  #turn = null;
  #parts = []; // what shows each, and the part as it was shown last
  #superseded = 0;
  #footed = ""; // what the buttons are for
  #asked = element("div", { class: "question" });
  #body = element("div");
  #figures = new Figures();
  #sources = element("footer", { class: "row" });
  #buttons = element("footer", { class: "row" });
  /** `actions` has `ask(turn, messages)`, `choose(id)` and `share(id)`; it is null where the turn is only read. */
  constructor(actions) {
    this.actions = actions;
    this.you = element("article", { class: "you", "aria-label": "You", hidden: true }, this.#asked);
    if (actions) this.you.append(element("footer", { class: "row" }, button("Edit", () => this.#edit())));
    this.answer = element("article", { "aria-label": "Answer" }, this.#body, this.#figures.node, this.#sources, this.#buttons);
  }

  update(turn) {
    if (turn.own.length !== this.#turn?.own.length) this.#ask(turn.own);
    this.#turn = turn;
    for (; this.#superseded < turn.superseded.length; this.#superseded++) this.#supersede(turn.superseded[this.#superseded]);
    this.#show(turn.parts, !runs(turn));
    this.#figures.update(turn);
    this.#cite(turn.parts);
    const footed = JSON.stringify([turn.versions, turn.id, turn.state]);
    if (footed !== this.#footed) this.#foot(turn);
    this.#footed = footed;
  }

  remove() { this.you.remove(); this.answer.remove(); }

  #ask(own) {
    this.you.hidden = !own.length;
    const users = own.filter((message) => message.role === "user");
    this.#asked.replaceChildren(...users.flatMap(({ content }) =>
      (typeof content === "string" ? [{ type: "text", text: content }] : content ?? []).map(asked)));
  }

  #show(parts, ended) {
    for (const [at, part] of parts.entries()) {
      const complete = ended || at < parts.length - 1 || part.complete;
      if (this.#parts[at]?.part.kind !== part.kind) this.#begin(at, part);
      const shown = this.#parts[at];
      if (shown.part !== part || shown.complete !== complete) shown.view.update(part, complete);
      Object.assign(shown, { part, complete });
    }
    this.#drop(parts.length);
  }

  #begin(at, part) {
    this.#drop(at);
    this.#parts.push({ view: viewOf(part), part: { kind: part.kind } });
    this.#body.append(this.#parts[at].view.node);
  }

  #drop(from) { for (const { view } of this.#parts.splice(from)) view.node.remove(); }

  /** What an earlier attempt said fades, with the reason why it does not count. */
  #supersede({ reason, parts }) {
    this.#show(parts, true);
    this.#figures.began = null;
    const name = `Superseded: ${reasonOf({ reason })}`;
    const group = element("div", { role: "group", class: "superseded", "aria-label": name }, element("p", { text: name }));
    group.append(...this.#parts.splice(0).map(({ view }) => view.node));
    this.#body.before(group);
    setTimeout(() => group.remove(), FADING);
  }

  #cite(parts) {
    const cited = parts.flatMap((part) => part.annotations ?? []).filter(({ url }) => /^https?:/.test(url));
    if (this.#sources.childElementCount === cited.length) return;
    this.#sources.replaceChildren(...cited.map(({ url, title }) =>
      element("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow", text: title || url })));
  }

  #foot(turn) {
    const { versions, id, state } = turn;
    const { ask, choose, share } = this.actions ?? {};
    const at = versions.indexOf(id);
    const shown = runs(turn) ? [] : [copyButton("Copy", () => this.#turn.text)];
    const again = () => ask(this.#turn, this.#turn.own);
    if (ask && !runs(turn)) shown.push(button("Regenerate", again), button("Share", () => share(id)));
    if (ask && state === "failed") shown.unshift(button("Retry", again));
    if (state === "failed") shown.unshift(element("p", { role: "alert", text: whatToDo(turn, ask) }));
    if (versions.length > 1) {
      shown.push(button("‹", () => choose(versions[at - 1]), { "aria-label": "Previous version", disabled: at === 0 }),
        element("span", { text: `${at + 1} of ${versions.length}` }),
        button("›", () => choose(versions[at + 1]), { "aria-label": "Next version", disabled: at === versions.length - 1 }));
    }
    this.#buttons.replaceChildren(...shown);
  }

  #edit() {
    this.you.querySelector("form")?.remove();
    const field = element("textarea", { "aria-label": "Edit message", dir: "auto", rows: 3 });
    const form = element("form", {}, field, element("p", { class: "row" },
      element("button", { text: "Send again" }), button("Keep as it is", () => form.remove())));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.remove();
      if (field.value.trim()) this.actions.ask(this.#turn, edited(this.#turn.own, field.value.trim()));
    });
    onEnter(field, () => form.requestSubmit());
    field.value = textOf(this.#turn.own);
    this.you.append(form);
    field.focus();
  }
}

function asked({ type, text, image_url: picture, file }) {
  if (type === "text") return element("p", { dir: "auto", text });
  if (picture?.url?.startsWith("data:image/")) return element("img", { src: picture.url, alt: "Attached picture" });
  return element("p", { class: "chip", text: file?.filename ?? type });
}

/** Returns messages with another text, and what else was in them. */
function edited(messages, text) {
  const { content } = messages.findLast((message) => message.role === "user") ?? {};
  const others = Array.isArray(content) ? content.filter((part) => part.type !== "text") : [];
  return [{ role: "user", content: others.length ? [...others, { type: "text", text }] : text }];
}

function whatToDo({ error }, ask) {
  const said = (error?.message ?? "The answer failed").replace(/[.!?]?$/, ".");
  return !ask ? said : `${said} ${error?.retryable === false ? "Another model or another message may help." : "Press Retry to ask again."}`;
}
