// A block of code: its language, a button that copies it, and its text, highlighted once the highlighter is there.
import { copyButton } from "./clipboard.js";
import { element, say } from "./element.js";
import { render } from "./tree.js";

const HUGE = 100_000; // characters: more stay plain, as the page would stand still meanwhile
const SMALL = 4_000; // up to here a block is highlighted as it grows; what is longer, when it ends

let highlighter = null;
let loading = null;
let selected = false; // whether anything is: to ask at each change would have the browser lay out the page each time
document.addEventListener("selectionchange", () => { selected = getSelection().type === "Range"; });

export class CodeBlock {
  #label = element("span", { "aria-hidden": "true" });
  #copy = copyButton("Copy code", () => this.#given[0]);
  #code = element("code");
  // Code runs from left to right in any language; who has no mouse scrolls it by the arrow keys.
  node = element("div", { class: "code", dir: "ltr" },
    element("header", {}, this.#label, this.#copy), element("pre", { tabindex: "0" }, this.#code));
  #given = ["", "", false];
  #shown = "";
  #show = () => this.#write(...this.#given);
  constructor() {
    loading ??= import("./vendor/highlight.js").then(({ default: library }) => { highlighter = library; }, () => {});
    loading.then(this.#show);
  }

  /** Shows this code: the text so far, the language it is said to be in, and whether it has ended. */
  update(...given) {
    if (given.every((value, index) => value === this.#given[index])) return;
    this.#given = given;
    this.#show();
  }

  #write(text, language, complete) {
    say(this.#label, language);
    const held = selected && getSelection().containsNode(this.#code, true);
    const spans = !held && text.length <= (complete ? HUGE : SMALL) && highlighted(text, language);
    if (spans) render(this.#code, spans);
    else if (text.startsWith(this.#shown) && (held || !complete)) this.#add(text.slice(this.#shown.length));
    else render(this.#code, [text]);
    this.#shown = text;
    // Other nodes would take the selection away: they come when the user has let go.
    if (held) document.addEventListener("selectionchange", this.#show, { once: true });
  }

  #add(more) {
    const last = this.#code.lastChild;
    return last?.nodeType === Node.TEXT_NODE ? last.appendData(more) : this.#code.append(more);
  }
}

/** Returns descriptions of the highlighted text, or null where it stays plain. */
function highlighted(text, language) {
  if (!highlighter?.getLanguage(language)) return null;
  const { _emitter: emitter, errorRaised } = highlighter.highlight(text, { language, ignoreIllegals: true });
  return errorRaised ? null : emitter.root.children.map(described);
}

/** Returns the description of what highlight.js found; code in another language has no scope of its own here. */
const described = (found) => (typeof found === "string" ? found
  : { tag: "span", attributes: { class: `hljs-${found.scope?.split(".")[0]}` }, children: found.children.map(described) });
