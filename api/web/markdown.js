// Shows Markdown that grows: a block is frozen as soon as nothing can change it, and only what follows is read again.
import { Reader } from "./tokens.js";
import { render } from "./tree.js";

let newLexer = null;

/** Resolves to whether `marked` is there; until it is, and where it is not, text is shown as it is. */
export const ready = import("./vendor/marked.js").then(({ Lexer, Tokenizer, getDefaults }) => {
  // marked lets a definition's title go on for any number of lines: what came long before would change.
  class Definitions extends Tokenizer { def(source) { return super.def(/^.*\n?.*\n?/.exec(source)[0]); } }
  newLexer = () => new Lexer({ ...getDefaults(), tokenizer: new Definitions() });
  return true;
}, () => false);

export class Markdown {
  /** How many characters the last update gave to the lexer. */
  parsed = 0;
  #frozen = ""; // the text of the blocks that stay as they are
  #blocks = 0; // how many these are
  #links = Object.create(null); // the addresses that they define
  #last = {}; // what the last update showed after them
  constructor(node) { (this.node = node).classList.add("markdown"); }

  /** Shows this text: all of it so far, and whether that is the whole. */
  update(text, complete) {
    this.parsed = 0;
    if (!newLexer) return render(this.node, [plain(text, "plain")]);
    const whole = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
    if (!whole.startsWith(this.#frozen)) [this.#frozen, this.#blocks, this.#links] = ["", 0, Object.create(null)];
    const rest = whole.slice(this.#frozen.length);
    const source = complete ? rest : settled(rest);
    if (this.#last.source === source && this.#last.complete === complete) return;
    this.parsed = source.length;
    const { before, last, at } = read(source, this.#links, complete);
    render(this.node, [...before, ...last], this.#blocks);
    this.#blocks += before.length;
    this.#frozen += source.slice(0, at);
    this.#last = { source: source.slice(at), complete };
  }
}

const plain = (text, name) => ({ tag: "div", attributes: { class: name, dir: "auto" }, children: [text] });

/** Returns descriptions of the blocks before which nothing can change, of those after it, and where these begin. */
function read(source, links, complete) {
  try {
    const lexer = newLexer();
    const tokens = lexer.blockTokens(source, []);
    const { index, at } = firstThatMayChange(tokens, source);
    const reader = new Reader(lexer);
    // In their order, as a definition counts only from where it stands: what stands before it may be frozen.
    const before = reader.read(tokens.slice(0, index), links, true);
    return { before, last: reader.read(tokens.slice(index), Object.assign(Object.create(null), links), complete), at };
  } catch { // nested deeper than the stack
    return { before: [], last: [plain(source, "html")], at: 0 };
  }
}

/** Returns a text without a last line of nothing but marks, as what they mark is still to come: a list, a heading? */
function settled(text) {
  const start = text.lastIndexOf("\n") + 1;
  const line = text.slice(start, start + 200);
  return /^\s*(?:[-=`~*_#+>|:\s]{0,199}|\d{1,9}[.)]?)$/.test(line) ? text.slice(0, start) : text;
}

/** Returns where the block begins before which nothing can change, whatever follows: its index, and its place. */
function firstThatMayChange(tokens, source) {
  let [index, at, place, previous] = [0, 0, 0, null];
  tokens.forEach((token, here) => {
    if (token.type !== "space") {
      if (previous && ended(previous, tokens[here - 1], token, source.slice(place))) [index, at] = [here, place];
      previous = token;
    }
    place += token.raw.length;
  });
  return { index, at };
}

/** Says whether a block has ended for good, from what stands between it and the next one, and from there on. */
function ended(block, between, next, rest) {
  if (["heading", "hr"].includes(block.type) || (block.type === "code" && !block.codeBlockStyle)) return true;
  // After a blank line only a list goes on, and a line that may be its next item yet (`2`, `* *`) is not read: `settled`.
  if (between.type === "space" && between.raw.split("\n").length > 2) return true;
  // A table is one when its second line is there; its first line, read alone, may be something else (`<b>`, `2. b`).
  return next.type !== "table" && rest.split("\n", 3).length === 3;
}
