// Chat Completions and Responses with OpenAI's SDK for Node, as its README has it.
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { PLACE, RESULT, TOOLS, cancel, resume, run } from "./tasks.mjs";

const Weather = z.object({ city: z.string(), degrees: z.number().int() });
const CHAT_TOOLS = TOOLS.map((name) => ({ type: "function", function: { name, parameters: PLACE } }));
const RESPONSES_TOOLS = TOOLS.map((name) => ({ type: "function", name, parameters: PLACE, strict: true }));

function chatOptions(task) {
  const messages = task.prompt ? [{ role: "user", content: task.prompt }] : [];
  const tools = task.tools ? { tools: CHAT_TOOLS } : {};
  return { model: task.model, messages, ...tools, ...(task.reasoning ? { reasoning_effort: "low" } : {}), ...task.options };
}

function chatMessage(answer, seen) {
  const [choice] = answer.choices;
  Object.assign(seen, { id: answer.id, model: answer.model, finish: choice.finish_reason, ended: true });
  seen.text = choice.message.content ?? "";
  seen.reasoning = choice.message.reasoning_content ?? choice.message.reasoning ?? "";
  seen.calls = (choice.message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
  if (answer.usage) seen.usage = [answer.usage.prompt_tokens, answer.usage.completion_tokens];
}

const chat = {
  async create(client, task, seen) {
    const options = chatOptions(task);
    const answer = await client.chat.completions.create(options);
    chatMessage(answer, seen);
    const { message } = answer.choices[0];
    if (!message.tool_calls?.length || !task.next) return;
    const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: RESULT }));
    const messages = [...options.messages, message, ...results];
    const after = await client.chat.completions.create({ ...options, model: task.next, messages });
    seen.after = after.choices[0].message.content;
  },
  async stream(client, task, seen) {
    const calls = [];
    const options = { ...chatOptions(task), stream: true, stream_options: { include_usage: true } };
    let n = -1;
    for await (const chunk of await client.chat.completions.create(options)) {
      n += 1;
      Object.assign(seen, { id: chunk.id, model: chunk.model, last: n });
      if (chunk.usage) seen.usage = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens];
      for (const { delta, finish_reason } of chunk.choices) {
        seen.text += delta.content ?? "";
        seen.reasoning += delta.reasoning_content ?? delta.reasoning ?? "";
        for (const part of delta.tool_calls ?? []) {
          const call = (calls[part.index] ??= ["", ""]);
          call[0] += part.function?.name ?? "";
          call[1] += part.function?.arguments ?? "";
        }
        if (finish_reason) Object.assign(seen, { finish: finish_reason, ended: true });
      }
      if (task.cancel && seen.text && !seen.cancelled) seen.cancelled = await cancel(task, seen.id);
      if (seen.text && n >= (task.leave ?? Infinity)) return;
    }
    seen.calls = calls.map(([name, text]) => [name, JSON.parse(text)]);
  },
  async helper(client, task, seen) {
    const stream = client.chat.completions.stream({ ...chatOptions(task), stream_options: { include_usage: true } });
    let text = "";
    stream.on("content", (delta) => (text += delta));
    chatMessage(await stream.finalChatCompletion(), seen);
    seen.agrees = text === seen.text;
  },
  async parse(client, task, seen) {
    const options = { ...chatOptions(task), response_format: zodResponseFormat(Weather, "weather") };
    const answer = await client.chat.completions.parse(options);
    Object.assign(seen, { parsed: answer.choices[0].message.parsed, ended: true });
  },
  async resume(client, task, seen) {
    await chat.stream(client, task, seen);
    for (const chunk of await resume(task, `/v1/chat/completions/${seen.id}`, seen.last)) {
      for (const { delta, finish_reason } of chunk.choices) {
        seen.text += delta.content ?? "";
        if (finish_reason) Object.assign(seen, { finish: finish_reason, ended: true });
      }
      if (chunk.usage) seen.usage = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens];
    }
  },
};

function responsesOptions(task) {
  const input = task.prompt ? [{ role: "user", content: task.prompt }] : [];
  const tools = task.tools ? { tools: RESPONSES_TOOLS } : {};
  const reasoning = task.reasoning ? { reasoning: { effort: "low", summary: "auto" } } : {};
  return { model: task.model, input, ...tools, ...reasoning, ...task.options };
}

function response(answer, seen) {
  Object.assign(seen, { id: answer.id, model: answer.model, finish: answer.status, ended: answer.status === "completed" });
  const messages = answer.output.filter((item) => item.type === "message").flatMap((item) => item.content);
  seen.text = messages.map((part) => part.text ?? "").join("");
  const thoughts = answer.output.filter((item) => item.type === "reasoning");
  seen.reasoning = thoughts.flatMap((item) => [...item.summary, ...(item.content ?? [])]).map((part) => part.text).join("");
  const calls = answer.output.filter((item) => item.type === "function_call");
  seen.calls = calls.map((item) => [item.name, JSON.parse(item.arguments)]);
  if (answer.usage) seen.usage = [answer.usage.input_tokens, answer.usage.output_tokens];
}

async function responsesEvents(client, stream, task, seen) {
  const calls = [];
  for await (const event of stream) {
    seen.last = event.sequence_number;
    if (event.type === "response.created") Object.assign(seen, { id: event.response.id, model: event.response.model });
    else if (event.type === "response.output_text.delta") seen.text += event.delta;
    else if (/^response\.reasoning_(summary_)?text\.delta$/.test(event.type)) seen.reasoning += event.delta;
    else if (event.type === "response.output_item.done" && event.item.type === "function_call")
      calls.push([event.item.name, JSON.parse(event.item.arguments)]);
    else if (/^response\.(completed|incomplete|failed|cancelled)$/.test(event.type)) {
      const final = {};
      response(event.response, final);
      Object.assign(seen, { finish: final.finish, ended: final.ended, usage: final.usage, agrees: final.text === seen.text });
    }
    if (task.cancel && seen.text && !seen.cancelled) seen.cancelled = (await client.responses.cancel(seen.id)).status;
    if (seen.text && seen.last >= (task.leave ?? Infinity)) return;
  }
  seen.calls = calls;
}

const responses = {
  async create(client, task, seen) {
    const options = responsesOptions(task);
    const answer = await client.responses.create(options);
    response(answer, seen);
    const calls = answer.output.filter((item) => item.type === "function_call");
    if (!calls.length || !task.next) return;
    const results = calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: RESULT }));
    const input = [...options.input, ...answer.output, ...results];
    seen.after = (await client.responses.create({ ...options, model: task.next, input })).output_text;
  },
  async stream(client, task, seen) {
    const stream = await client.responses.create({ ...responsesOptions(task), stream: true });
    await responsesEvents(client, stream, task, seen);
  },
  async helper(client, task, seen) {
    const stream = client.responses.stream(responsesOptions(task));
    let text = "";
    stream.on("response.output_text.delta", (event) => (text += event.delta));
    response(await stream.finalResponse(), seen);
    seen.agrees = text === seen.text;
  },
  async parse(client, task, seen) {
    const options = { ...responsesOptions(task), text: { format: zodTextFormat(Weather, "weather") } };
    const answer = await client.responses.parse(options);
    Object.assign(seen, { parsed: answer.output_parsed, ended: true });
  },
  async resume(client, task, seen) {
    await responses.stream(client, task, seen);
    for (const event of await resume(task, `/v1/responses/${seen.id}`, seen.last)) {
      if (event.type === "response.output_text.delta") seen.text += event.delta;
      if (event.type !== "response.completed") continue;
      const { status, usage } = event.response;
      Object.assign(seen, { finish: status, ended: true, usage: [usage.input_tokens, usage.output_tokens] });
    }
  },
  /** The SDK's own way to resume. */
  async retrieve(client, task, seen) {
    await responses.stream(client, task, seen);
    const stream = await client.responses.retrieve(seen.id, { stream: true, starting_after: seen.last });
    await responsesEvents(client, stream, { ...task, leave: undefined }, seen);
  },
};

await run((task, seen) => {
  const client = new OpenAI({ baseURL: `${task.url}/v1`, apiKey: task.key });
  return { chat, responses }[task.dialect][task.do](client, task, seen);
});
