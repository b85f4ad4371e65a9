// The chat page: posts a generation, follows its events, and picks it up again after a reload or a lost connection.
// State that survives the page: conversation and cursor in localStorage; the API key, and a message that nobody has
// answered yet, in sessionStorage only.

const byId = (id) => document.getElementById(id);
const conversation = byId("conversation");
const status = byId("status");
const TERMINAL = new Set(["completed", "failed", "cancelled"]);
const STORE = "midstream.chat";
const KEY = "midstream.key";
const UNANSWERED = "midstream.unanswered";
const SILENCE = 40_000; // ms without a byte after which a connection is dead: heartbeats come every 15 s
const TRIES = 10; // of a message that gets no answer, before the page waits for its user

let turns = load();
let following = null; // AbortController of the open stream
let connection = null; // AbortController of its present connection
let heard = 0; // when that one's last byte came
let hurry = () => {}; // ends the pause before the next try

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
  const key = sessionStorage.getItem(KEY);
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
      heard = Date.now();
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
  hurry = () => { clearTimeout(timer); resolve(); };
  signal?.addEventListener("abort", hurry);
});

// What a try waits before the next: full jitter, 15 s at most.
const backoff = (tries, ms = 1000) => Math.random() * Math.min(ms * 2 ** tries, 15000);

// A connection that died without a word never ends by itself: this ends it, and gives what stops the watch.
function watch(signal) {
  const own = new AbortController();
  const abort = () => own.abort();
  connection = own;
  heard = Date.now();
  signal?.addEventListener("abort", abort);
  let timer;
  const look = () => {
    const left = heard + SILENCE - Date.now();
    if (left <= 0) abort();
    else timer = setTimeout(look, left);
  };
  look();
  return { signal: own.signal, stop: () => { clearTimeout(timer); signal?.removeEventListener("abort", abort); } };
}

// The machine slept or changed its network: what was silent meanwhile is dead, and nobody wants to wait.
function wake(silence) {
  if (Date.now() - heard > silence) connection?.abort();
  hurry();
}

async function follow(turn) {
  following?.abort();
  following = new AbortController();
  const { signal } = following;
  busy(turn);
  let tries = 0;
  let said = "";
  while (!turn.state && !signal.aborted) {
    const watched = watch(signal);
    try {
      const headers = turn.cursor ? { "Last-Event-ID": turn.cursor } : {};
      const response = await request(`/v1/generations/${turn.id}/events`, { headers, signal: watched.signal });
      if (response.status === 204) turn.state = "completed";
      else if (response.status === 401 || response.status === 403) {
        said = askForKey();
        break;
      } else if (response.status >= 400 && response.status < 500 && ![408, 425, 429].includes(response.status)) {
        Object.assign(turn, { state: "failed", note: await problem(response) });
      } else if (response.ok) {
        status.textContent = "";
        const cursor = turn.cursor;
        await read(turn, response.body).finally(() => { if (turn.cursor !== cursor) tries = 0; });
      }
    } catch {
      // A lost connection: the log goes on without us.
    } finally {
      watched.stop();
    }
    if (!turn.state && !signal.aborted) {
      status.textContent = "Connection lost; the answer goes on and is picked up again…";
      await pause(backoff(tries++, turn.retry), signal);
    }
  }
  // A new conversation has begun meanwhile: this one's end is not for the page any more.
  if (signal.aborted) return;
  save();
  draw(turn);
  status.textContent = said;
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

// A message keeps its key, over a reload too, until it was answered: a lost answer must not make two generations.
function unanswered() {
  try {
    return JSON.parse(sessionStorage.getItem(UNANSWERED));
  } catch {
    return null;
  }
}

function keep(message) {
  try {
    if (message) sessionStorage.setItem(UNANSWERED, JSON.stringify(message));
    else sessionStorage.removeItem(UNANSWERED);
  } catch {
    // Full or forbidden: the key lives as long as the page.
  }
}

let asked = unanswered();

async function ask(prompt, model) {
  if (asked?.prompt !== prompt || asked?.model !== model) {
    const random = crypto.getRandomValues(new Uint8Array(16));
    const key = `turn-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    const messages = [...history(), { role: "user", content: prompt }];
    asked = { key, prompt, model, body: JSON.stringify({ model, messages }) };
    keep(asked);
  }
  const message = asked;
  busy(message);
  status.textContent = "Sending…";
  const response = await post(message);
  // A new conversation has begun meanwhile.
  if (asked !== message) return false;
  const denied = response?.status === 401 || response?.status === 403;
  if (response && !denied && !passing(response)) {
    asked = null;
    keep(null);
  }
  if (!response?.ok) {
    const why = response ? await problem(response) : "The server does not answer.";
    const kept = !response || passing(response) ? " Your message is kept: send it again." : "";
    status.textContent = denied ? askForKey() : why + kept;
    busy(null);
    return false;
  }
  const { id } = await response.json();
  const turn = { key: message.key, id, prompt, parts: [], places: [], cursor: "", state: "" };
  turns.push(turn);
  save();
  draw(turn);
  follow(turn);
  return true;
}

// An answer that does not say whether a message was accepted.
const passing = (response) => response.status >= 500 || response.status === 408;

// The answer to a message, whatever it is; null where there was none.
async function post(message) {
  let answer = null;
  for (let tries = 0; tries < TRIES && asked === message; tries++) {
    if (tries) {
      status.textContent = "No answer yet; sending the same message again…";
      await pause(backoff(tries));
      if (asked !== message) return null;
    }
    const watched = watch();
    try {
      const response = await request("/v1/generations", {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": message.key },
        body: message.body,
        signal: watched.signal,
      });
      answer = new Response(await response.text(), { status: response.status });
      if (!passing(answer)) return answer;
    } catch {
      answer = null; // lost on the way there or back
    } finally {
      watched.stop();
    }
  }
  return answer;
}

// Shows the form, and returns the reason.
function askForKey() {
  byId("key-form").hidden = false;
  byId("key").focus();
  return sessionStorage.getItem(KEY) ? "The server does not accept this API key. Enter another one."
    : "The server wants an API key.";
}

async function start() {
  for (const turn of turns) draw(turn);
  const response = await request("/v1/models", { signal: AbortSignal.timeout(SILENCE) }).catch(() => null);
  if (response?.status === 401 || response?.status === 403) {
    status.textContent = askForKey();
    return;
  }
  const listing = response?.ok ? await response.json().catch(() => null) : null;
  if (listing) {
    status.textContent = "";
    byId("simulated").hidden = !listing.simulated;
    byId("models").replaceChildren();
    for (const model of listing.data) {
      for (const name of [...model.aliases, model.id]) byId("models").append(new Option(name, name));
      if (model.default) byId("model").value ||= model.aliases[0] ?? model.id;
    }
  } else status.textContent = response ? `The server answered ${response.status}.` : "The server does not answer.";
  const open = turns.findLast((turn) => !turn.state);
  if (open) follow(open);
  else if (asked) {
    byId("prompt").value = asked.prompt;
    byId("model").value = asked.model;
    if (await ask(asked.prompt, asked.model)) byId("prompt").value = "";
  }
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
  asked = null;
  keep(null);
  hurry();
  save();
  conversation.replaceChildren();
  status.textContent = "";
  busy(null);
  byId("prompt").focus();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key").value.trim();
  if (!/^[!-~]+$/.test(key)) {
    // No header can carry it, so it is no key of any server.
    status.textContent = "An API key has printable ASCII characters only, and no spaces. Enter another one.";
    return;
  }
  sessionStorage.setItem(KEY, key);
  byId("key").value = "";
  byId("key-form").hidden = true;
  status.textContent = "";
  start();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(20_000); });
addEventListener("online", () => wake(0));

start();
