// People whose programs use midstream-client, for a run of chaos: takes commands on stdin, a JSON line each, and writes
// lines of the history on stdout, beside `done` for each command that has come to its end. See javascript_audience.py.
import { createInterface } from "node:readline";
import { Asker } from "./asker.mjs";
import { ConversationFollower } from "./conversation_follower.mjs";
import { GenerationFollower } from "./generation_follower.mjs";
import { Page } from "./page.mjs";

const KINDS = { follow: GenerationFollower, ask: Asker, converse: ConversationFollower, open: Page };
const people = new Map();
const chaos = { apis: {}, silence: 0, restless: true, say: (line) => process.stdout.write(JSON.stringify(line) + "\n") };

async function begin(Kind, command) {
  const person = new Kind(chaos, command);
  people.set(command.viewer, person);
  try {
    await person.follow();
    chaos.say({ kind: "done", viewer: command.viewer });
  } catch (error) {
    chaos.say({ kind: "done", viewer: command.viewer, error: error.stack });
  }
  people.delete(command.viewer);
}

const commands = {
  begin: ({ apis, silence }) => Object.assign(chaos, { apis, silence }),
  calm: () => { chaos.restless = false; },
  wanted: ({ viewer, ...known }) => people.get(viewer)?.want(known),
  give_up: ({ viewer }) => people.get(viewer)?.giveUp(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...command } = JSON.parse(line);
  if (name in KINDS) void begin(KINDS[name], command);
  else commands[name](command);
}
process.exit(); // whoever began this has ended
