// The client of this server. A key is kept for this tab alone: never in an address, and never in localStorage.
import { create } from "./midstream-client.js";
import { Kept } from "./kept.js";

const kept = new Kept("sessionStorage", "midstream.key");

export const client = create({
  key: () => kept.text ?? undefined,
  // A request that ends something must go out though the page is closing (Fetch, `keepalive`).
  fetch: (url, init) => fetch(url, { keepalive: init.method === "DELETE", ...init }),
});

export const denied = (error) => error.status === 401 || error.status === 403;
export const hasKey = () => kept.text !== null;

/** Keeps a key for the requests that follow. Returns what is wrong where no header can carry it. */
export function useKey(key) {
  if (!/^[!-~]+$/.test(key)) return "An API key has printable ASCII characters and no spaces. Enter another one.";
  kept.text = key;
  return null;
}
