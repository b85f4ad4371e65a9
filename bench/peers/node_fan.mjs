// The least that Node needs for fan-out: a set of responses for each generation, and one write to each.
//
//   node node_fan.mjs PORT
import http from "node:http";

const viewers = new Map();

const server = http.createServer((request, response) => {
  const [, verb, id] = request.url.split("/");
  if (verb === "publish") {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const frame = `id: ${request.headers["x-id"]}\nevent: delta\ndata: ${Buffer.concat(parts)}\n\n`;
      for (const viewer of viewers.get(id) ?? []) viewer.write(frame);
      response.writeHead(204).end();
    });
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.flushHeaders();
  if (!viewers.has(id)) viewers.set(id, new Set());
  viewers.get(id).add(response);
  request.on("close", () => viewers.get(id).delete(response));
});
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 }, () => console.log("listening"));
