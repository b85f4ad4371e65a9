// Messages with Anthropic's SDK for Node, as its README has it.
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { PLACE, RESULT, TOOLS, cancel, resume, run } from "./tasks.mjs";

const Weather = z.object({ city: z.string(), degrees: z.number().int() });

function optionsOf(task) {
  const messages = task.prompt ? [{ role: "user", content: task.prompt }] : [];
  const tools = task.tools ? { tools: TOOLS.map((name) => ({ name, input_schema: PLACE })) } : {};
  const thinking = task.reasoning ? { thinking: { type: "enabled", budget_tokens: 1024 } } : {};
  return { model: task.model, messages, max_tokens: 4096, ...tools, ...thinking, ...task.options };
}

const used = (usage) => [(usage.input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0), usage.output_tokens];

function message(answer, seen) {
  Object.assign(seen, { id: answer.id, model: answer.model, finish: answer.stop_reason, ended: true });
  const all = (type, field) => answer.content.filter((block) => block.type === type).map((block) => block[field]);
  seen.text = all("text", "text").join("");
  seen.reasoning = all("thinking", "thinking").join("");
  seen.calls = answer.content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]);
  seen.usage = used(answer.usage);
}

const messages = {
  async create(client, task, seen) {
    const options = optionsOf(task);
    const answer = await client.messages.create(options);
    message(answer, seen);
    if (!task.next) return;
    const calls = answer.content.filter((block) => block.type === "tool_use");
    const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: RESULT }));
    const said = { role: "assistant", content: answer.content };
    const then = { role: "user", content: results.length ? results : "And then?" };
    const after = await client.messages.create({ ...options, model: task.next, messages: [...options.messages, said, then] });
    seen.after = after.content[0].text;
  },
  async stream(client, task, seen) {
    const calls = [];
    let n = -1;
    for await (const event of await client.messages.create({ ...optionsOf(task), stream: true })) {
      n += 1;
      seen.last = n;
      if (event.type === "message_start") Object.assign(seen, { id: event.message.id, model: event.message.model });
      else if (event.type === "content_block_start" && event.content_block.type === "tool_use")
        calls[event.index] = [event.content_block.name, ""];
      else if (event.type === "content_block_delta") {
        seen.text += event.delta.text ?? "";
        seen.reasoning += event.delta.thinking ?? "";
        if (event.delta.type === "input_json_delta") calls[event.index][1] += event.delta.partial_json;
      } else if (event.type === "message_delta")
        Object.assign(seen, { finish: event.delta.stop_reason, usage: used(event.usage) });
      else if (event.type === "message_stop") seen.ended = true;
      if (task.cancel && seen.text && !seen.cancelled) seen.cancelled = await cancel(task, seen.id);
      if (seen.text && n >= (task.leave ?? Infinity)) return;
    }
    seen.calls = calls.filter(Boolean).map(([name, text]) => [name, JSON.parse(text)]);
  },
  async helper(client, task, seen) {
    const stream = client.messages.stream(optionsOf(task));
    let text = "";
    stream.on("text", (delta) => (text += delta));
    message(await stream.finalMessage(), seen);
    seen.agrees = text === seen.text;
  },
  async parse(client, task, seen) {
    const options = { ...optionsOf(task), output_config: { format: zodOutputFormat(Weather) } };
    const answer = await client.messages.parse(options);
    Object.assign(seen, { parsed: answer.parsed_output, ended: true });
  },
  async resume(client, task, seen) {
    await messages.stream(client, task, seen);
    for (const event of await resume(task, `/v1/messages/${seen.id}`, seen.last)) {
      if (event.type === "content_block_delta") seen.text += event.delta.text ?? "";
      if (event.type === "message_delta")
        Object.assign(seen, { finish: event.delta.stop_reason, usage: used(event.usage) });
      if (event.type === "message_stop") seen.ended = true;
    }
  },
};

await run((task, seen) => {
  const client = new Anthropic({ baseURL: task.url, apiKey: task.key });
  return messages[task.do](client, task, seen);
});
