// What came over one connection, read beside the client by a parser of its own: the bytes of each event's data.
import { createHash } from "node:crypto";

export const hashed = (text) => createHash("sha256").update(text).digest("hex").slice(0, 16);

export class Tap {
  #data = new Map(); // by id, or by type where there is none: the newest data of each
  #rest = "";
  #characters = new TextDecoder();

  read(bytes) {
    const blocks = (this.#rest + this.#characters.decode(bytes, { stream: true })).split("\n\n");
    this.#rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      if (fields.data !== undefined) this.#data.set(fields.id ?? fields.event, fields.data);
    }
  }

  /** Stands for what the client gave out: the bytes that came, if it says what they say. */
  hash({ id, type, data }) {
    const said = JSON.stringify(data);
    const came = this.#data.get(id ?? type);
    return hashed(came !== undefined && JSON.stringify(JSON.parse(came)) === said ? came : said);
  }
}

/** Returns a response of which all that passes is told: bytes as they come, and `end` or `cut` at the end. */
export function tapped(response, read, ended) {
  const reader = response.body.getReader();
  const source = {
    async pull(controller) {
      try {
        const { value, done } = await reader.read();
        if (done) {
          ended("end");
          controller.close();
        } else {
          read(value);
          controller.enqueue(value);
        }
      } catch (error) {
        ended("cut");
        controller.error(error);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  };
  const { status, statusText, headers } = response;
  return new Response(new ReadableStream(source, { highWaterMark: 0 }), { status, statusText, headers });
}
