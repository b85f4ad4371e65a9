// How each kind of part of an answer is shown: text, reasoning, a refusal, a tool's call and result, a file.
import { element, say } from "./element.js";
import { Markdown } from "./markdown.js";
import { render } from "./tree.js";

/** What is folded: its summary, and the text in it. */
const FOLDED = {
  reasoning: [() => "Reasoning", ({ text }) => text],
  tool_call: [({ name }) => name ?? "Tool", argumentsOf],
  tool_result: [({ name, is_error: failed }) => `${name ?? "Tool"}: ${failed ? "error" : "result"}`, ({ text }) => text],
};

/** Returns what shows a part of this kind: its `node`, and `update(part, complete)`. */
export function viewOf({ kind }) {
  if (kind === "file") return new File();
  if (FOLDED[kind]) return new Folded(kind);
  const node = element("div", { class: kind });
  const markdown = new Markdown(node);
  return { node, update: ({ text }, complete) => markdown.update(text ?? "", complete) };
}

class Folded {
  #summary = element("summary");
  #body = element("pre", { dir: "auto", tabindex: "0" });
  constructor(kind) {
    [this.name, this.text] = FOLDED[kind];
    this.node = element("details", { class: kind }, this.#summary, this.#body);
  }

  update(part) {
    say(this.#summary, this.name(part));
    render(this.#body, [this.text(part) ?? ""]);
  }
}

class File {
  node = element("p", { class: "file" });

  update({ media_type: type = "", data, url, name, complete }) {
    if (this.node.firstChild || !(complete || url)) return;
    const label = name || type || "file";
    const address = data ? `data:${type};base64,${data}` : /^https?:/.test(url) && url;
    // A picture from elsewhere would tell its server who reads this.
    this.node.append(data && type.startsWith("image/") ? element("img", { src: address, alt: label })
      : element("a", { href: address, download: data && label, rel: "noopener noreferrer", target: "_blank", text: label }));
  }
}

/** Returns a call's arguments: as they came while they grow, or laid out. */
function argumentsOf({ arguments: given, arguments_text: text = "", arguments_error: wrong }) {
  return given == null ? [text, wrong].filter(Boolean).join("\n") : JSON.stringify(given, null, 2);
}
