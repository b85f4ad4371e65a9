// Follows what it is told to with midstream-client, and writes what came of it as one JSON line: for tests.
//
// Pauses between two connections are short here: those that the server asks for are a second and more.

import { create } from "../../../clients/javascript/src/midstream-client.js";

const { url, key, body, id, conversation, turns } = JSON.parse(process.argv[2]);
const wait = globalThis.setTimeout;
globalThis.setTimeout = (call, ms, ...rest) => wait(call, ms > 20_000 ? ms : Math.min(ms, 20), ...rest);

const client = create({ url, key });
const events = [];
let connections = 0;
const onConnection = ({ state }) => { connections += state === "open" ? 1 : 0; };

/** Whether so many turns have been followed to their end, where that is asked for. */
const enough = (followed) => followed.generations.filter(({ state }) => state === "completed").length === turns;

try {
  let followed;
  if (conversation) {
    followed = client.conversation(conversation, { onConnection });
    await followed.load();
    process.stdout.write(`${JSON.stringify({ loaded: followed.generations.length })}\n`);
  } else followed = body ? await client.create(body, { onConnection }) : client.follow(id, { onConnection });
  for await (const event of followed) {
    events.push([event.id, event.type]);
    if (conversation && event.type === "completed" && enough(followed)) break;
  }
  const { answer, generations } = followed;
  process.stdout.write(`${JSON.stringify({ events, connections, answer, generations })}\n`);
} catch ({ message, status, code }) {
  process.stdout.write(`${JSON.stringify({ error: { message, status, code } })}\n`);
}
