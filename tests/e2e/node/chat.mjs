// A chat of the AI SDK without a page: takes a JSON line for each thing to do, and prints one when it is done.
//
// node chat.mjs PACKAGE API CHAT [OPTIONS]   where PACKAGE is ai-6 or ai-7, and API the address of /api/chat
//
// OPTIONS is JSON: `body` for the transport, `messages` that the chat begins with, `tools` by name with their outputs,
// which the chat runs itself and answers with. Each line that comes has `do`: send, resume, stop or regenerate.
import { createInterface } from "node:readline";

const [name, api, id, options = "{}"] = process.argv.slice(2);
const { body, messages = [], tools = {} } = JSON.parse(options);
const { AbstractChat, DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls } = await import(name);

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// What a framework's own state is to the AI SDK, as @ai-sdk/react has one.
class State {
  constructor(messages) {
    this.messages = messages;
    this.status = "ready";
    this.error = undefined;
  }
  pushMessage = (message) => { this.messages = [...this.messages, message]; };
  popMessage = () => { this.messages = this.messages.slice(0, -1); };
  replaceMessage = (at, message) => {
    this.messages = this.messages.map((one, index) => (index === at ? structuredClone(message) : one));
    const text = message.parts.filter((part) => part.type === "text").map((part) => part.text).join("");
    if (message.role === "assistant") print({ said: text.length });
  };
  snapshot = (thing) => structuredClone(thing);
}

class Chat extends AbstractChat {
  constructor({ messages, ...init }) {
    super({ ...init, state: new State(messages) });
  }
}

let ran = [];
let finished = null;
const chat = new Chat({
  id,
  messages,
  transport: new DefaultChatTransport({
    api,
    body,
    // Who was cut off wants the end too where that came in the meantime (docs/clients.md, useChat).
    prepareReconnectToStreamRequest: ({ api, id, requestMetadata }) =>
      requestMetadata?.cut ? { api: `${api}/${encodeURIComponent(id)}/stream?ended=true` } : {},
  }),
  sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
  onToolCall: ({ toolCall }) => {
    ran.push({ name: toolCall.toolName, input: toolCall.input, dynamic: toolCall.dynamic ?? false });
    const output = tools[toolCall.toolName];
    if (output !== undefined) {
      chat.addToolOutput({ tool: toolCall.toolName, toolCallId: toolCall.toolCallId, output });
    }
  },
  onError: () => {},
  onFinish: ({ isAbort, isDisconnect, isError, finishReason }) => {
    finished = { isAbort, isDisconnect, isError, finishReason: finishReason ?? null };
  },
});

const acts = {
  // Without a text it is what the last message is sent again for: a tool's result.
  send: ({ text, files, options }) => chat.sendMessage(text === undefined ? undefined : { text, files }, options),
  resume: ({ options }) => chat.resumeStream(options),
  regenerate: ({ options }) => chat.regenerate(options),
  stop: () => chat.stop(),
};

print({ chat: id });
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  // Not awaited: another line may come meanwhile, such as `stop`.
  acts[order.do](order).then(() => {
    const { status, messages } = chat;
    print({ done: order.do, status, error: chat.error?.message ?? null, messages, ran, finished });
    ran = [];
  });
}
