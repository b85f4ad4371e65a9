// Follows one address with npm's EventSource and prints, a JSON line each, what it is told.
// It ends by itself once the EventSource is closed: a reconnect that is still planned would keep it running.
import { EventSource } from "eventsource";

const TYPES = [
  "message", "attempt", "response", "part", "delta", "annotation", "part_end", "raw", "usage",
  "completed", "failed", "cancelled", "queued", "reset", "drain",
];

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const source = new EventSource(process.argv[2]);

for (const type of TYPES) {
  source.addEventListener(type, ({ data, lastEventId }) => say({ event: type, id: lastEventId, data }));
}
source.addEventListener("open", () => say({ event: "open" }));
source.addEventListener("error", ({ code }) =>
  say({ event: "error", status: code ?? null, closed: source.readyState === EventSource.CLOSED }),
);
