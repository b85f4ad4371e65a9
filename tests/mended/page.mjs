// Runs the chat page's script without a browser: `node page.mjs ADDRESS SPEED < commands`, one JSON command a line.
// The document is as much of one as the script uses. Time-outs are SPEED times as short; each command prints the
// state of the page as a line of JSON.

import { createInterface } from "node:readline";
import { runInNewContext } from "node:vm";

const [address, speed] = [process.argv[2], Number(process.argv[3])];
const elements = new Map();
let slept = 0;

class Target {
  listeners = {};
  addEventListener(type, listener) { (this.listeners[type] ??= []).push(listener); }
  fire(type, event = {}) { for (const listener of this.listeners[type] ?? []) listener({ preventDefault() {}, ...event }); }
}

class Element extends Target {
  value = ""; textContent = ""; className = ""; hidden = false; disabled = false; children = [];
  scrollHeight = 0; scrollTop = 0; clientHeight = 0;
  get firstChild() { return this.children[0]; }
  get parentElement() { return page; }
  append(...added) {
    for (const one of added) {
      if (one.id) elements.set(one.id, one);
      this.children.push(one);
    }
  }
  replaceChildren(...children) { this.children = children; }
  setAttribute() {}
  focus() {}
  requestSubmit() { this.fire("submit"); }
  get text() { return [this.textContent, ...this.children.map((child) => child.text)].join(""); }
}

class Storage {
  constructor(items) { this.items = items; }
  getItem(name) { return this.items[name] ?? null; }
  setItem(name, value) { this.items[name] = String(value); }
  removeItem(name) { delete this.items[name]; }
}

const page = new Element();
const byId = (id) => elements.get(id) ?? (/^turn-/.test(id) ? null : (elements.set(id, new Element()), elements.get(id)));
const document = Object.assign(new Target(), {
  hidden: false, getElementById: byId, createElement: () => new Element(),
});
const window = new Target();
const localStorage = new Storage({});
const sessionStorage = new Storage({});
const loaded = Date.now();
class Clock extends Date { static now() { return loaded + (Date.now() - loaded) * speed + slept; } }

const commands = {
  async open({ local, session }) {
    Object.assign(localStorage.items, local);
    Object.assign(sessionStorage.items, session);
    byId("key-form").hidden = true;
    const script = await (await fetch(`${address}/app.js`)).text();
    runInNewContext(script, {
      document, localStorage, sessionStorage, AbortController, AbortSignal, TextDecoderStream, Response, crypto,
      performance, clearTimeout, console, Date: Clock,
      addEventListener: (...all) => window.addEventListener(...all),
      setTimeout: (then, ms) => setTimeout(then, ms / speed),
      requestAnimationFrame: (then) => setTimeout(then, 16),
      Option: class extends Element {},
      fetch: (path, options) => fetch(address + path, options),
    });
  },
  send({ prompt, model }) {
    byId("prompt").value = prompt;
    byId("model").value = model;
    byId("ask").fire("submit");
  },
  key({ key }) {
    byId("key").value = key;
    byId("key-form").fire("submit");
  },
  sleep({ ms }) { slept += ms; },
  fire({ type }) { (type === "visibilitychange" ? document : window).fire(type); },
  state() {},
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  await commands[command](rest);
  console.log(JSON.stringify({
    status: byId("status").textContent,
    wants_key: !byId("key-form").hidden,
    busy: byId("send").disabled,
    text: byId("conversation").text,
    local: localStorage.items,
    session: sessionStorage.items,
  }));
}
process.exit(0);
