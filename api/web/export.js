// Downloads a conversation, as Markdown for people and as JSON for programs.
import { element } from "./element.js";

export async function exportAs(form, conversation) {
  while (conversation.hasMore) await conversation.more();
  const name = (conversation.title || "conversation").replace(/[^\p{L}\p{N} _-]+/gu, "").trim().slice(0, 60) || "conversation";
  if (form === "json") {
    const { id, title } = conversation;
    const generations = conversation.turns.map(({ key, own, versions, ...turn }) => turn);
    download(`${name}.json`, "application/json", JSON.stringify({ id, title, generations }, null, 2));
  } else download(`${name}.md`, "text/markdown", markdownOf(conversation));
}

function markdownOf({ title, turns }) {
  const said = turns.flatMap((turn) => [`## You\n\n${textOf(turn.own)}`, `## Answer\n\n${turn.text}`]);
  return `${[...(title ? [`# ${title}`] : []), ...said].join("\n\n")}\n`;
}

/** Returns the text of what somebody asked. */
export function textOf(messages) {
  const parts = messages.filter((message) => message.role === "user").flatMap(({ content }) =>
    typeof content === "string" ? [content] : (content ?? []).filter((part) => part.type === "text").map((part) => part.text));
  return parts.join("\n\n");
}

function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
