// Messages that nobody has answered yet, one of a conversation. Each keeps its key: a lost reply makes no second answer.
import { Kept } from "./kept.js";

const kept = new Kept("sessionStorage", "midstream.outbox");
const messages = () => { try { return JSON.parse(kept.text) ?? []; } catch { return []; } };
const keep = (all) => { kept.text = all.length ? JSON.stringify(all) : null; };

/** Returns the message of a conversation; without a name, the newest of all. */
export const waiting = (conversation) => messages().findLast((one) => !conversation || one.conversation === conversation);

/** Forgets the message of a conversation. */
export const forget = (conversation) => keep(messages().filter((one) => one.conversation !== conversation));

/** Keeps a message in place of its conversation's, and returns it as it was kept before, where it is the same one. */
export function put(message) {
  const before = waiting(message.conversation);
  if (before && JSON.stringify(before.body) === JSON.stringify(message.body)) return before;
  keep([...messages().filter((one) => one.conversation !== message.conversation), message]);
  return message;
}
