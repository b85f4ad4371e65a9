// Follows streams with one package of npm: `node clients.mjs CLIENT < tasks`, a line of JSON each as `judges.clients`
// writes them. One line goes out for each: what the package gave, and whether it ended by itself.
import { createInterface } from "node:readline";

const TYPES = ["message", "attempt", "response", "part", "delta", "annotation", "part_end", "raw", "usage", "queued"];
const ENDS = ["completed", "failed", "cancelled"];

// What packages for browsers expect of one.
globalThis.window = globalThis;
globalThis.document = { hidden: false, readyState: "complete", body: {}, addEventListener() {}, removeEventListener() {} };

/** An EventSource: listeners by type. It says that it gave up by its readyState. */
function eventSource(make) {
  return (task, take, over) => {
    const source = make(task.url);
    for (const type of [...TYPES, ...ENDS]) {
      source.addEventListener(type, (event) => take(event.lastEventId, event.type, event.data));
    }
    // Some close themselves after they have said so.
    source.onerror = () => setTimeout(() => source.readyState === 2 && over(), 100);
    return () => source.close();
  };
}

/** fetchEventSource: it takes an end without error for the end of all, so that is for the caller to tell. */
function fetchEventSource(fetchIt) {
  return (task, take, over) => {
    const stop = new AbortController();
    const { method = "GET", headers, body } = task.post ?? {};
    let status = 0;
    const options = {
      method,
      headers,
      body,
      signal: stop.signal,
      openWhenHidden: true,
      async onopen(response) {
        status = response.status;
        if (status !== 200) throw new Error(`${status}`);
      },
      onmessage: (event) => take(event.id, event.event || "message", event.data),
      onclose() {},
      onerror(error) {
        if (status === 204) throw error;
      },
    };
    fetchIt(task.url, options).then(over, over);
    return () => stop.abort();
  };
}

/** What only parses: the loop and the cursor are ours, as docs/protocol.md tells them. */
function parser(read) {
  return (task, take, over) => {
    const stop = new AbortController();
    let cursor = "";
    (async () => {
      while (!stop.signal.aborted) {
        try {
          const headers = cursor ? { "Last-Event-ID": cursor } : {};
          const response = await fetch(task.url, { headers, signal: stop.signal });
          if (response.status === 204) return over();
          for await (const [id, type, data] of read(response)) {
            cursor = id || cursor;
            take(id, type, data);
          }
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
      }
    })();
    return () => stop.abort();
  };
}

const CLIENTS = {
  eventsource1: async () => eventSource(withClass((await import("eventsource1")).default)),
  eventsource2: async () => eventSource(withClass((await import("eventsource2")).default)),
  eventsource3: async () => eventSource(withClass((await import("eventsource3")).EventSource)),
  eventsource5: async () => eventSource(withClass((await import("eventsource5")).EventSource)),
  "event-source-polyfill": async () =>
    eventSource(withClass((await import("event-source-polyfill")).default.EventSourcePolyfill)),
  "extended-eventsource": async () => eventSource(withClass((await import("extended-eventsource")).EventSource)),
  "launchdarkly-eventsource": async () =>
    eventSource(withClass((await import("launchdarkly-eventsource")).default.EventSource)),
  "reconnecting-eventsource": async () => {
    const { EventSource } = await import("eventsource3");
    return eventSource(withClass((await import("reconnecting-eventsource")).default, { eventSourceClass: EventSource }));
  },
  "@microsoft/fetch-event-source": async () =>
    fetchEventSource((await import("@microsoft/fetch-event-source")).fetchEventSource),
  "@fortaine/fetch-event-source": async () =>
    fetchEventSource((await import("@fortaine/fetch-event-source")).fetchEventSource),
  "eventsource-client": async () => {
    const { createEventSource } = await import("eventsource-client");
    return (task, take, over) => {
      const onMessage = ({ id, event, data }) => take(id, event ?? "message", data);
      const source = createEventSource({ url: task.url, onMessage, onDisconnect: () => source.readyState === "closed" && over() });
      return () => source.close();
    };
  },
  "eventsource-parser": async () => {
    const { EventSourceParserStream } = await import("eventsource-parser/stream");
    return parser(async function* (response) {
      const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
      for await (const { id, event, data } of events) yield [id, event ?? "message", data];
    });
  },
  "fetch-event-stream": async () => {
    const { events } = await import("fetch-event-stream");
    return parser(async function* (response) {
      for await (const { id, event, data } of events(response)) yield [id, event ?? "message", data];
    });
  },
  "parse-sse": async () => {
    const { parseServerSentEvents } = await import("parse-sse");
    return parser(async function* (response) {
      for await (const { lastEventId, type, data } of parseServerSentEvents(response)) yield [lastEventId, type, data];
    });
  },
  "@sentool/fetch-event-source": async () => {
    const { fetchEventSource: fetchIt } = await import("@sentool/fetch-event-source");
    return (task, take, over) => {
      let [cursor, status, source, stopped] = ["", 0, undefined, false];
      const onopen = (response) => (status = response.status);
      const onmessage = ({ id, event, data }) => {
        cursor = id || cursor;
        if (data !== undefined) take(id, event ?? "message", data);
      };
      (async () => {
        while (!stopped && status !== 204) {
          const headers = cursor ? { "Last-Event-ID": cursor } : {};
          source = await fetchIt(task.url, { headers, parseJson: false, onopen, onmessage, onerror() {} });
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        over();
      })();
      return () => (stopped = true) && source?.abort();
    };
  },
};

function withClass(EventSource, options) {
  return (url) => new EventSource(url, options);
}

const follow = await CLIENTS[process.argv[2]]();
const waiting = [];
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  waiting.push(
    new Promise((resolve) => {
      const events = [];
      let close = () => {};
      let timer;
      let ended = false;
      const end = (itself) => {
        if (ended) return;
        ended = true;
        clearTimeout(timer);
        close();
        resolve(console.log(JSON.stringify({ name: task.name, events, itself })));
      };
      timer = setTimeout(end, task.seconds * 1000, false);
      const take = (id, type, data) => {
        events.push([id ?? "", type, data ?? ""]);
        if (ENDS.includes(type) && !task.stays) end(false);
      };
      try {
        close = follow(task, take, () => end(true)) ?? close;
      } catch (error) {
        console.error(error);
        end(true);
      }
    }),
  );
}
await Promise.all(waiting);
process.exit(0);
