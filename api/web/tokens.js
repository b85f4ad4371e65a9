// Says what nodes the tokens of `marked` become, as descriptions for tree.js. No text is ever read as HTML.
import { CodeBlock } from "./code_block.js";

const DEEPEST = 40; // lists in lists and the like: what is deeper stays text
const SAFE = ["http:", "https:", "mailto:"];
const CLOSED = /\n {0,3}(?:`{3,}|~{3,})[ \t]*$/;
const BREAK = /^<br *\/?>$/i; // the one tag that Markdown needs: in tables
const NAMED = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", hellip: "…", mdash: "—", ndash: "–", times: "×",
  copy: "©", middot: "·", bull: "•", deg: "°", larr: "←", rarr: "→", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”",
};

export class Reader {
  #lexer;
  #waiting;
  #complete = false;
  #depth = 0;
  #linked = false;
  constructor(lexer) {
    this.#lexer = lexer;
    // The lexer puts the text in blocks aside: it is read in its turn, with what is defined by then.
    this.#waiting = new Map(lexer.inlineQueue.map(({ src, tokens }) => [tokens, src]));
  }

  /** Returns a description of each block, and adds to `links` what they define. Only the last may be incomplete. */
  read(tokens, links, complete) {
    this.#lexer.tokens.links = links;
    const blocks = tokens.filter(({ type }) => type !== "space");
    return blocks.map((block, index) => {
      this.#complete = complete || index < blocks.length - 1;
      const [want] = this.#described(block);
      return want.View ? want : { ...want, attributes: { ...want.attributes, dir: "auto" } };
    });
  }

  #described(token) {
    if (this.#depth === DEEPEST) return [token.raw];
    this.#depth += 1;
    const wanted = this.#known(token);
    this.#depth -= 1;
    return wanted;
  }

  #known(token) {
    switch (token.type) {
      case "space": return [];
      case "heading": return [node(`h${token.depth}`, this.#inside(token))];
      case "paragraph": return [node("p", this.#inside(token))];
      case "blockquote": case "em": case "strong": case "del": return [node(token.type, this.#inside(token))];
      case "list": return [this.#list(token)];
      case "checkbox": return [checkbox(token), " "];
      case "table": return [this.#table(token)];
      case "hr": return [node("hr", [])];
      case "code": return [this.#code(token)];
      case "codespan": return [node("code", [token.text])];
      case "link": return [this.#link(token)];
      case "image": return [this.#image(token)];
      case "def": return [definition(token, this.#lexer.tokens.links)];
      case "text": return token.tokens ? this.#inside(token) : [token.escaped ? token.text : decoded(token.text)];
      case "escape": return [token.text];
      case "br": return ["\n"]; // a line ends where its text has an end of line: markdown.css sees to it
      case "html": return [token.block ? node("div", [token.raw], { class: "html" }) : token.raw.replace(BREAK, "\n")];
      default: return [token.raw];
    }
  }

  #inside({ tokens }) {
    if (this.#waiting.has(tokens)) {
      this.#lexer.state.inRawBlock = false;
      this.#lexer.inlineTokens(this.#waiting.get(tokens), tokens);
      this.#waiting.delete(tokens);
    }
    return joined(tokens.flatMap((token) => this.#described(token)));
  }

  #list({ ordered, start, items }) {
    const wanted = items.map((item) => node("li", this.#inside(item), { class: item.task ? "task" : null }));
    return node(ordered ? "ol" : "ul", wanted, { start: ordered && start !== 1 ? start : null });
  }

  #table({ header, rows }) {
    const row = (cells, tag) => node("tr", cells.map((cell) => node(tag, this.#inside(cell), { class: cell.align })));
    const body = rows.map((cells) => row(cells, "td"));
    const table = node("table", [node("thead", [row(header, "th")]), node("tbody", body)]);
    return node("div", [table], { class: "wide", tabindex: "0" }); // who has no mouse scrolls it by the arrow keys
  }

  #code({ text, lang = "", raw }) {
    return { View: CodeBlock, given: [text, /^\S*/.exec(lang)[0], this.#complete || CLOSED.test(raw)] };
  }

  #link(token) {
    if (this.#linked) return token.raw;
    this.#linked = true;
    const inside = this.#inside(token);
    this.#linked = false;
    return link(token, inside);
  }

  /** A picture from elsewhere would tell its server who reads this: it becomes a link. */
  #image(token) {
    const { href, text, title } = token;
    if (/^data:image\/[\w.+-]+[;,]/i.test(href)) return node("img", [], { src: href, alt: text, title });
    return this.#linked ? text || href : link(token, [text || href]);
  }
}

const node = (tag, children, attributes = {}) => ({ tag, attributes, children });

const checkbox = ({ checked }) =>
  node("input", [], { type: "checkbox", disabled: true, checked, "aria-label": checked ? "Done" : "To do" });

/** Defines the address of a label. It is shown: who refers to it before has only this to follow. */
function definition({ tag, raw, href, title }, links) {
  links[tag] ??= { href, title };
  const label = raw.slice(0, raw.indexOf("]:") + 2);
  const parts = joined([`${label} `, link({ href, raw: href }, [href]), title ? ` ${title}` : ""]);
  return node("p", parts, { class: "definition" });
}

function link({ href, title, raw }, inside) {
  const address = URL.canParse(decoded(href)) ? new URL(decoded(href)) : null;
  if (!SAFE.includes(address?.protocol)) return raw;
  return node("a", inside, { href: address.href, title, rel: "noopener noreferrer nofollow", target: "_blank" });
}

/** Returns a text with the characters that its named references stand for; marked has read the numbers. */
function decoded(text) {
  return text.replace(/&(\w+);/g, (reference, name) => (Object.hasOwn(NAMED, name) ? NAMED[name] : reference));
}

/** Returns descriptions in which no two texts are neighbours. */
function joined(parts) {
  const all = [];
  for (const part of parts) {
    if (typeof part === "string" && typeof all.at(-1) === "string") all.push(all.pop() + part);
    else if (part !== "") all.push(part);
  }
  return all;
}
