// The chat page: opens what its address names, and brings its parts together.
import { client, denied } from "./access.js";
import { addressOf, goTo, place } from "./address.js";
import { Alerts, advice } from "./alerts.js";
import { Attachments } from "./attachments.js";
import { Composer } from "./composer.js";
import { Conversation, runs } from "./conversation.js";
import { ConversationList } from "./conversation_list.js";
import { breakBy, offer, toolsOf } from "./demo.js";
import { exportAs } from "./export.js";
import { KeyForm } from "./key_form.js";
import { ready } from "./markdown.js";
import { ModelPicker } from "./model_picker.js";
import { waiting } from "./outbox.js";
import { Scroll } from "./scroll.js";
import { ShareDialog } from "./share_dialog.js";
import { SingleGeneration } from "./single_generation.js";
import { Status } from "./status.js";
import { Transcript } from "./transcript.js";

const byId = (id) => document.getElementById(id);
const alerts = new Alerts(byId("alerts"));
const status = new Status(byId("status"));
const transcript = new Transcript(byId("log"));
const scroll = new Scroll(byId("view"), byId("jump"));
const keyForm = new KeyForm(byId("key-form"), alerts, start);
const picker = new ModelPicker(byId("model"), byId("models"));
const shares = new ShareDialog(byId("share"), client, failed);
const attachments = new Attachments(byId("attach"), byId("attached"), failed);
const stop = () => open?.stop?.().catch(failed);
const composer = new Composer(byId("composer"), attachments, { send, stop });
const list = new ConversationList(client, byId("conversations"), {
  open: (id) => go(addressOf(id)), deleted: () => go("/"), failed, reached: () => alerts.reached(),
});
const again = (turn, messages) => ask({ messages, tools: toolsOf(turn), instead: turn.key }, messages === turn.own ? [] : messages);
const actions = { ask: again, choose: (id) => open.choose(id), share: (id) => shares.open(id) };
let [open, planned, retry] = [null, false, 0]; // what is shown, whether it is about to be drawn, and when the server is tried again

// One drawing for all that arrives within a frame; a hidden page gets no frames.
function changed() {
  if (!planned) (document.hidden ? (later) => setTimeout(later, 200) : requestAnimationFrame)(draw);
  planned = true;
}

function draw() {
  planned = false;
  const [{ turns }, running, asks] = [open, open.running.length > 0, open instanceof Conversation && !open.gone];
  transcript.show(turns, asks ? actions : null);
  if (turns.length) status.follow(newest());
  composer.form.hidden = !asks;
  byId("log").ariaBusy = String(running);
  composer.busy(running);
  byId("older").hidden = !open.hasMore;
  byId("export").hidden = !asks || !turns.length;
  byId("prompts").hidden = turns.length > 0 || place().kind !== "new";
  byId("demo").hidden = !running || !("demo" in document.body.dataset);
  document.title = open.title ? `${open.title} · Midstream` : "Midstream";
  scroll.grown();
}

const newest = () => open.running.at(-1) ?? open.turns.at(-1);

/** Shows what `make` makes, and hears of it until something else is shown. */
function show(make) {
  open?.close();
  transcript.show([], null);
  alerts.clear();
  status.clear();
  const mine = (heard) => (...said) => { if (open === opened) heard(...said); };
  const opened = open = make({
    changed: mine(changed),
    failed: mine(failed),
    heard: mine((event, turn) => {
      if (event.type !== "drain") status.connected({ state: "open" }, open.running.at(-1)); // it lives, whatever was said of it
      else if (turn && runs(turn)) status.connected({ state: "waiting" }, turn);
      if (["generation", "completed", "failed", "cancelled"].includes(event.type)) list.refresh();
    }),
    connected: mine((connection) => {
      status.connected(connection, open.running.at(-1));
      if (connection.state === "open") alerts.clear();
      else if (connection.error) alerts.show(advice(connection.error));
    }),
  });
  list.current = opened.id;
  list.show();
  scroll.toEnd();
  draw();
  return opened;
}

function go(address) {
  goTo(address);
  byId("menu").ariaExpanded = "false";
  openPlace();
  composer.focus();
}

/** Opens what the address names; a new chat is `begun` where its first message was not answered yet. */
async function openPlace(begun = {}) {
  const { kind, id } = place();
  const reads = kind === "generation" || kind === "link";
  byId("side").hidden = kind === "link";
  const name = id ?? begun.conversation ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  const opened = show((listener) => new (reads ? SingleGeneration : Conversation)(client, name, listener));
  const message = reads ? null : waiting(name);
  if (id) await opened.open().catch((error) => open !== opened || (message && error.status === 404) || failed(error));
  if (open !== opened) return;
  if (opened.turns.length && !reads) status.found(newest());
  if (message) post(() => opened.send(message), message.body.messages);
}

function send(content, tools) { if (!composer.isBusy) ask({ messages: [{ role: "user", content }], tools }); }
const ask = (question, kept = question.messages) => post(() => open.ask({ model: picker.model, ...question }), kept);

/** Sends a message; where that fails it is given back to its writer. */
async function post(sending, messages) {
  const asked = open;
  alerts.clear();
  composer.busy(true);
  status.show("queued");
  scroll.toEnd();
  try {
    await sending();
    list.refresh();
    if (open !== asked) return;
    goTo(addressOf(asked.id));
  } catch (error) {
    failed(error);
    if (open !== asked) return;
    status.clear();
    composer.restore(messages);
    changed();
  }
}

function failed(error) {
  if (denied(error)) keyForm.ask();
  else if (error.name !== "AbortError") alerts.show(advice(error));
  clearTimeout(retry);
  if (error.code === "unreachable") retry = setTimeout(() => list.refresh(), 3000);
}

const offerModels = () => client.json("GET", "/v1/models", null, { tries: 2 }).then(({ data, simulated }) => {
  picker.offer(data);
  byId("simulated").hidden = !simulated;
  list.refresh();
}, (error) => {
  failed(error);
  if (!denied(error)) setTimeout(offerModels, 3000);
});

async function start() {
  byId("unbuilt").hidden = await ready;
  openPlace(waiting());
  if (place().kind !== "link") offerModels();
  composer.focus();
}

byId("new").addEventListener("click", () => go("/"));
byId("older").addEventListener("click", () => open.more().catch(failed));
byId("menu").addEventListener("click", ({ target: menu }) => { menu.ariaExpanded = menu.ariaExpanded !== "true"; });
for (const form of ["markdown", "json"]) byId(`export-${form}`).addEventListener("click", () => exportAs(form, open).catch(failed));
addEventListener("popstate", () => openPlace());
addEventListener("offline", () => status.connected({ state: "waiting" }, open.running.at(-1)));
offer(byId("prompts"), send);
breakBy(byId("demo"), client, failed);
start();
