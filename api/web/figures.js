// What an answer costs and how fast it comes: as the server counts it, and about, until it has ended.
import { runs } from "./conversation.js";
import { element, say } from "./element.js";

const CHARACTERS = 4; // of a token, about

export class Figures {
  #items = Array.from({ length: 5 }, () => element("li"));
  began = null; // when the first text was seen, and how much there was; an attempt that starts over begins anew
  node = element("ul", { class: "figures", "aria-label": "Figures" }, ...this.#items);

  update({ state, parts, usage, cost, viewers = 0, waited, time_to_first_token_ms: first = waited, tokens_per_second: speed }) {
    const lengths = parts.map(({ text, arguments_text: more }) => (text ?? more ?? "").length);
    const written = Math.round(lengths.reduce((sum, length) => sum + length, 0) / CHARACTERS);
    if (written) this.began ??= { at: performance.now(), written };
    const passed = this.began ? (performance.now() - this.began.at) / 1000 : 0;
    const about = passed > 0.2 ? (written - this.began.written) / passed : 0;
    const ended = !runs({ state });
    const said = [
      `time to first token ${(first ?? waited) == null ? (ended ? "–" : "…") : duration(first ?? waited)}`,
      `tokens/s ${speed != null ? rounded(speed) : ended ? "–" : `≈ ${rounded(about)}`}`,
      `tokens ${usage ? `${usage.input_tokens} in, ${usage.output_tokens} out` : `≈ ${written}`}`,
      `cost ${cost ? `${cost.at_least ? "at least " : ""}${Number(cost.amount)} ${cost.currency}` : "unknown"}`,
      `viewers ${viewers}`,
    ];
    for (const [at, text] of said.entries()) say(this.#items[at], text);
  }
}

const rounded = (number) => (number < 10 ? number.toFixed(1) : String(Math.round(number)));
const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${rounded(ms / 1000)} s`);
