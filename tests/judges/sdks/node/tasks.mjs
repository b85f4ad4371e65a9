// Takes tasks as lines of JSON, all at once, and answers each with one line of what it saw, as programs/tasks.py does.
import { createInterface } from "node:readline";

export const PLACE = {
  type: "object",
  properties: { query: { type: "string" }, place: { type: "string" }, limit: { type: "integer" } },
  required: ["query", "place", "limit"],
  additionalProperties: false,
};
export const TOOLS = ["look_up", "book"];
export const RESULT = "Nothing was found.";

/** The classes of an error and of what caused it, and the HTTP status where one of them has it. */
function described(error) {
  const classes = [];
  let status = null;
  const words = String(error?.message ?? error).slice(0, 300);
  for (let cause = error, depth = 0; cause && depth < 6; cause = cause.cause ?? cause.lastError, depth += 1) {
    for (let kind = cause.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) classes.push(kind.name);
    status ??= cause.status ?? cause.statusCode ?? null;
  }
  return { class: error?.constructor?.name ?? typeof error, classes, status, words };
}

/** Each line of standard input is a task: where, which model, and what to do. */
export async function run(program) {
  // What a client breaks behind the back of its caller is a failure of the task, not of the program.
  process.on("unhandledRejection", (error) => console.error("unhandled", error));
  const running = [];
  for await (const line of createInterface({ input: process.stdin })) running.push(carryOut(program, JSON.parse(line)));
  await Promise.all(running);
}

async function carryOut(program, task) {
  const seen = { n: task.n, text: "", reasoning: "", calls: [], ended: false, error: null };
  try {
    await program(task, seen);
  } catch (error) {
    seen.error = described(error);
  }
  process.stdout.write(JSON.stringify(seen) + "\n");
}

/** The five lines of docs/clients.md: the data of the events after event number `after`. */
export async function resume(task, path, after) {
  const headers = { Authorization: `Bearer ${task.key}` };
  const answer = await fetch(`${task.url}${path}?stream=true&starting_after=${after}`, { headers });
  if (!answer.ok) throw new Error(`${answer.status}`);
  const lines = (await answer.text()).split("\n");
  return lines.filter((line) => line.startsWith("data: ") && line !== "data: [DONE]").map((line) => JSON.parse(line.slice(6)));
}

export async function cancel(task, id) {
  const url = `${task.url}/v1/generations/gen_${id.split("_").pop().split("-").pop()}/cancel`;
  const answer = await fetch(url, { method: "POST", headers: { Authorization: `Bearer ${task.key}` } });
  return answer.ok ? "cancelled" : `${answer.status}`;
}
