// The chat page: posts a generation, follows its events, and picks it up again after a reload or a lost connection.
// State that survives the page: conversation and cursor in localStorage, the API key in sessionStorage only.

const byId = (id) => document.getElementById(id);
const conversation = byId("conversation");
const status = byId("status");
const TERMINAL = new Set(["completed", "failed", "cancelled"]);
const STORE = "midstream.chat";

let turns = load();
let following = null; // AbortController of the open stream

function load() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(stored) ? stored : [];
  } catch {
    return [];
  }
}

function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(turns.slice(-50)));
  } catch {
    // Full or forbidden: the page works, a reload just starts empty.
  }
}

function request(path, options = {}) {
  const key = sessionStorage.getItem("midstream.key");
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  return fetch(path, { ...options, headers, cache: "no-store" });
}

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  const fields = (body.errors ?? []).map((e) => `${e.pointer} ${e.message}`).join("; ");
  return fields || body.detail || `The server answered ${response.status}.`;
}

// An EventSource cannot send a key, so the stream is read by hand (WHATWG HTML, section 9.2.6).
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const message = { event: "message", data: "" };
        for (const line of block.split("\n")) {
          const colon = line.indexOf(":");
          if (colon > 0) message[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
        }
        yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function apply(turn, message) {
  if (message.id) turn.cursor = message.id;
  if (message.retry) turn.retry = Number(message.retry);
  if (!message.data) return;
  const data = JSON.parse(message.data);
  turn.places ??= turn.parts.map((_, at) => at); // stored by an older page
  switch (message.event) {
    case "queued":
      turn.note = data.position ? `In line: ${data.position}` : "Starting…";
      break;
    case "reset":
      Object.assign(turn, { parts: [], places: [], cursor: "", note: "The log has changed; starting over." });
      break;
    case "attempt":
      if (!data.continues) turn.parts = [];
      turn.places = [];
      turn.note = data.number > 1 ? `Attempt ${data.number} (${data.reason.replace("_", " ")})` : "";
      break;
    case "part":
      turn.places[data.part] = placeOf(turn, data);
      break;
    case "delta":
      turn.parts[turn.places[data.part]].text += data.delta;
      break;
    case "completed":
      turn.state = "completed";
      turn.note = summary(data);
      break;
    case "failed":
      turn.state = "failed";
      turn.note = `Failed: ${data.message}`;
      break;
    case "cancelled":
      turn.state = "cancelled";
      turn.note = "Cancelled.";
      break;
  }
}

// Where a part is among the turn's parts: a new one, or the newest that it resumes.
function placeOf(turn, { kind, name, item_id, resumes }) {
  const broken = turn.parts.findLastIndex((part) => part.kind === kind && part.item_id === item_id);
  if (resumes && broken >= 0) return broken;
  return turn.parts.push({ kind, name, item_id, text: "" }) - 1;
}

function summary(data) {
  const said = [data.finish_reason === "stop" ? "" : `Ended: ${data.finish_reason}`];
  if (data.usage) said.push(`${data.usage.input_tokens} tokens in, ${data.usage.output_tokens} out`);
  if (data.cost) said.push(`${data.cost.amount} ${data.cost.currency}`);
  return said.filter(Boolean).join(" · ");
}

function draw(turn) {
  let article = document.getElementById(turn.key);
  if (!article) {
    article = document.createElement("article");
    article.id = turn.key;
    article.append(element("div", "prompt", turn.prompt));
    conversation.append(article);
  }
  const atEnd = conversation.parentElement.scrollHeight - conversation.parentElement.scrollTop
    - conversation.parentElement.clientHeight < 80;
  const names = { text: "answer", reasoning: "reasoning", refusal: "answer refusal" };
  const parts = turn.parts.filter(Boolean).map((part) =>
    names[part.kind] ? element("div", names[part.kind], part.text)
      : element("div", "tool", `${part.name ?? part.kind} ${part.text}`));
  const meta = element("p", turn.state === "failed" ? "meta failed" : "meta", turn.note ?? "");
  article.replaceChildren(article.firstChild, ...parts, meta);
  if (atEnd) conversation.parentElement.scrollTop = conversation.parentElement.scrollHeight;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function busy(turn) {
  byId("send").disabled = Boolean(turn);
  byId("cancel").hidden = !turn;
  conversation.setAttribute("aria-busy", String(Boolean(turn)));
}

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); });
});

async function follow(turn) {
  following = new AbortController();
  const { signal } = following;
  busy(turn);
  let tries = 0;
  while (!turn.state && !signal.aborted) {
    try {
      const headers = turn.cursor ? { "Last-Event-ID": turn.cursor } : {};
      const response = await request(`/v1/generations/${turn.id}/events`, { headers, signal });
      if (response.status === 204) turn.state = "completed";
      else if (response.status === 404 || response.status === 410) {
        Object.assign(turn, { state: "failed", note: await problem(response) });
      } else if (response.status === 401) {
        askForKey();
        break;
      } else if (response.ok) {
        status.textContent = "";
        await read(turn, response.body);
        tries = 0;
      }
    } catch {
      // A lost connection: the log goes on without us.
    }
    if (!turn.state && !signal.aborted) {
      status.textContent = "Connection lost; the answer goes on and is picked up again…";
      await pause(Math.random() * Math.min((turn.retry ?? 1000) * 2 ** tries++, 15000), signal);
    }
  }
  // A new conversation has begun meanwhile: this one's end is not for the page any more.
  if (signal.aborted) return;
  save();
  draw(turn);
  status.textContent = "";
  busy(null);
}

async function read(turn, body) {
  let planned = false;
  let saved = 0;
  for await (const message of eventsOf(body)) {
    apply(turn, message);
    if (!planned) {
      planned = true;
      // One drawing for all that arrives within a frame; a hidden page gets no frames.
      const paint = () => {
        planned = false;
        if (!turns.includes(turn)) return;
        draw(turn);
        if (performance.now() - saved > 500) {
          save();
          saved = performance.now();
        }
      };
      if (document.hidden) setTimeout(paint, 200); else requestAnimationFrame(paint);
    }
    if (TERMINAL.has(message.event) || message.event === "drain") return;
  }
}

function history() {
  const messages = [];
  for (const turn of turns) {
    const said = (turn.parts ?? []).filter((part) => part?.kind === "text").map((part) => part.text).join("");
    messages.push({ role: "user", content: turn.prompt });
    if (said) messages.push({ role: "assistant", content: said });
  }
  return messages;
}

async function ask(prompt, model) {
  const turn = { key: `turn-${crypto.randomUUID?.() ?? Date.now()}`, prompt, parts: [], places: [], cursor: "", state: "" };
  const messages = [...history(), { role: "user", content: prompt }];
  busy(turn);
  status.textContent = "Sending…";
  try {
    const response = await request("/v1/generations", {
      method: "POST",
      // The same key at every try: a lost answer must not make two generations.
      headers: { "Content-Type": "application/json", "Idempotency-Key": turn.key },
      body: JSON.stringify({ model, messages }),
    });
    if (response.status === 401) askForKey();
    if (!response.ok) throw new Error(await problem(response));
    turn.id = (await response.json()).id;
  } catch (error) {
    status.textContent = error.message;
    busy(null);
    return false;
  }
  turns.push(turn);
  save();
  draw(turn);
  follow(turn);
  return true;
}

function askForKey() {
  byId("key-form").hidden = false;
  byId("key").focus();
}

async function start() {
  for (const turn of turns) draw(turn);
  const response = await request("/v1/models").catch(() => null);
  if (!response) {
    status.textContent = "The server does not answer.";
    return;
  }
  if (response.status === 401) return askForKey();
  const listing = await response.json();
  byId("simulated").hidden = !listing.simulated;
  for (const model of listing.data) {
    for (const name of [...model.aliases, model.id]) byId("models").append(new Option(name, name));
    if (model.default) byId("model").value ||= model.aliases[0] ?? model.id;
  }
  const open = turns.findLast((turn) => !turn.state);
  if (open) follow(open);
}

byId("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const prompt = byId("prompt").value.trim();
  if (prompt && !byId("send").disabled && await ask(prompt, byId("model").value.trim())) byId("prompt").value = "";
});
byId("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("ask").requestSubmit();
  }
});
byId("cancel").addEventListener("click", async () => {
  const open = turns.findLast((turn) => !turn.state);
  if (open) await request(`/v1/generations/${open.id}/cancel`, { method: "POST" }).catch(() => null);
});
byId("new").addEventListener("click", () => {
  following?.abort();
  turns = [];
  save();
  conversation.replaceChildren();
  status.textContent = "";
  busy(null);
  byId("prompt").focus();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("midstream.key", byId("key").value);
  byId("key").value = "";
  byId("key-form").hidden = true;
  start();
});

start();
