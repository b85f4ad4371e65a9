// What the page's address names: a new chat, a conversation, one generation, or a shared link.

const KINDS = { c: "conversation", g: "generation", s: "link" };

export function place() {
  const [, kind = "", name] = /^\/([cgs])\/(.+?)\/?$/.exec(location.pathname) ?? [];
  if (kind === "s") return { kind: "link", id: location.pathname };
  return kind ? { kind: KINDS[kind], id: decoded(name) } : { kind: "new", id: null };
}

/** Unlike decodeURIComponent this takes an address that is none: there is no such conversation. */
const decoded = (name) => new URLSearchParams(`name=${name.replaceAll("+", "%2B")}`).get("name");

export const addressOf = (conversation) => `/c/${encodeURIComponent(conversation)}`;

export function goTo(address) {
  if (location.pathname !== address) history.pushState(null, "", address);
}
