// The AI SDK with its providers for each dialect, as its documentation has it.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateText, jsonSchema, streamText, tool } from "ai";
import { z } from "zod";
import { PLACE, TOOLS, run } from "./tasks.mjs";

const Weather = z.object({ city: z.string(), degrees: z.number().int() });

function modelOf(task) {
  const at = { baseURL: `${task.url}/v1`, apiKey: task.key };
  if (task.provider === "anthropic") return createAnthropic(at)(task.model);
  if (task.provider === "openai-compatible")
    return createOpenAICompatible({ ...at, name: "midstream", includeUsage: true, supportsStructuredOutputs: true })(task.model);
  const openai = createOpenAI(at);
  return task.dialect === "chat" ? openai.chat(task.model) : openai.responses(task.model);
}

function optionsOf(task) {
  const options = { model: modelOf(task), prompt: task.prompt };
  // Without `execute` a call ends the run.
  const offered = TOOLS.map((name) => [name, tool({ description: name, inputSchema: jsonSchema(PLACE) })]);
  if (task.tools) options.tools = Object.fromEntries(offered);
  if (task.reasoning)
    options.providerOptions = {
      openai: { reasoningEffort: "low", reasoningSummary: "auto", forceReasoning: true },
      anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } },
      midstream: { reasoningEffort: "low" },
    };
  return options;
}

async function ended(result, seen) {
  const [text, reasoning, calls, finish, response, usage] = await Promise.all([
    result.text, result.reasoningText, result.toolCalls, result.finishReason, result.response, result.usage,
  ]);
  Object.assign(seen, { id: response.id, model: response.modelId, finish, text, reasoning: reasoning ?? "", ended: true });
  seen.calls = calls.map((call) => [call.toolName, call.input]);
  seen.usage = [usage.inputTokens, usage.outputTokens];
}

const doing = {
  async create(task, seen) {
    await ended(await generateText(optionsOf(task)), seen);
  },
  async stream(task, seen) {
    const leaving = new AbortController();
    const result = streamText({ ...optionsOf(task), abortSignal: leaving.signal, onError() {} });
    let pieces = 0;
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type !== "text-delta") continue;
      seen.text += part.text;
      pieces += 1;
      if (pieces > (task.leave ?? Infinity)) {
        leaving.abort();
        return;
      }
    }
    await ended(result, seen);
  },
  async parse(task, seen) {
    const result = await generateText({ ...optionsOf(task), output: Output.object({ schema: Weather }) });
    Object.assign(seen, { parsed: result.output, ended: true });
  },
  async loop(task, seen) {
    const look_up = tool({
      description: "Looks something up.",
      inputSchema: z.object({ query: z.string() }),
      execute: async ({ query }) => {
        seen.calls.push(["look_up", { query }]);
        return "Nothing was found.";
      },
    });
    const { stepCountIs, isStepCount } = await import("ai");
    const result = await generateText({ ...optionsOf(task), tools: { look_up }, stopWhen: (stepCountIs ?? isStepCount)(3) });
    Object.assign(seen, { text: result.text, ended: true });
  },
};

await run((task, seen) => doing[task.do](task, seen));
