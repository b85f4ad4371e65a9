// The way to Midstream, for this server only: the key never reaches a browser.

const PASSED = ["content-type", "cache-control", "x-accel-buffering", "x-vercel-ai-ui-message-stream", "retry-after"];

function ask(path, init) {
  const url = new URL(path, process.env.MIDSTREAM_URL ?? "http://127.0.0.1:8000");
  const headers = { ...init?.headers, Authorization: `Bearer ${process.env.MIDSTREAM_KEY}` };
  return fetch(url, { ...init, headers, cache: "no-store" });
}

/** Returns Midstream's answer as it comes. A browser that leaves stops nothing: the answer is made to its end. */
export async function passOn(request, path, body) {
  const json = { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await ask(path, { method: request.method, signal: request.signal, ...(body && json) });
  const headers = PASSED.flatMap((name) => (answer.headers.has(name) ? [[name, answer.headers.get(name)]] : []));
  return new Response(answer.body, { status: answer.status, headers });
}

/** Returns what has been said in a chat, as messages of useChat. */
export async function history(chat) {
  const generations = [];
  for (let older = ""; older !== null; ) {
    const answer = await ask(`/v1/conversations/${encodeURIComponent(chat)}?limit=100${older}`);
    if (answer.status === 404) return [];
    if (!answer.ok) throw new Error(`Midstream answered ${answer.status}`);
    const page = await answer.json();
    generations.push(...page.generations);
    older = page.next === null ? null : `&before=${page.next}`;
  }
  return generations.reverse().flatMap(({ id, input, parts, state }) => {
    const asked = input.map(({ role, content }, n) => ({ id: `${id}-${n}`, role, parts: texts(content) }));
    if (state === "queued" || state === "running") return asked; // useChat resumes it
    return [...asked, { id: id.replace("gen_", "msg_"), role: "assistant", parts: parts.flatMap(uiPart) }];
  });
}

function texts(content) {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return content.flatMap(({ text }) => (text ? [{ type: "text", text }] : []));
}

function uiPart({ kind, text }) {
  return kind === "text" || kind === "reasoning" ? [{ type: kind, text, state: "done" }] : [];
}
