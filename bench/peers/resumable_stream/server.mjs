// vercel's resumable-stream as its README has it, without a framework around it: the provider's event stream goes
// through as text, unparsed, which is the least that it can cost.
//
//   BENCH_SIMULATOR_URL=… BENCH_REDIS_SOCKET=… node server.mjs PORT
import { randomUUID } from "node:crypto";
import http from "node:http";
import { createClient } from "redis";
import { createResumableStreamContext } from "resumable-stream";

const socket = { path: process.env.BENCH_REDIS_SOCKET };
const publisher = createClient({ socket });
const subscriber = createClient({ socket });
await Promise.all([publisher.connect(), subscriber.connect()]);
const context = createResumableStreamContext({ waitUntil: null, publisher, subscriber });

function answer(model) {
  const { readable, writable } = new TextDecoderStream();
  fetch(`${process.env.BENCH_SIMULATOR_URL}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer none" },
    body: JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "Hello" }] }),
  }).then((response) => response.body.pipeTo(writable));
  return readable;
}

async function chat(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const { model } = JSON.parse(Buffer.concat(parts).toString());
  const stream = await context.createNewResumableStream(randomUUID(), () => answer(model));
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.flushHeaders();
  for await (const text of stream) response.write(text);
  response.end();
}

const server = http.createServer((request, response) => {
  chat(request, response).catch((error) => response.destroy(error));
});
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 }, () => console.log("listening"));
