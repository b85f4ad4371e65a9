// A page with useChat and nothing else, which a test uses as `window.chat`. What it is to do stands behind the #.
import { Chat, useChat } from "@ai-sdk/react";
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls } from "ai";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

const { api, id, body, tools = {} } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
// Who comes back after a cut wants the newest answer also where it has ended meanwhile.
const transport = new DefaultChatTransport({
  api,
  body,
  prepareReconnectToStreamRequest: ({ requestMetadata }) => ({
    api: `${api}/${encodeURIComponent(id)}/stream${requestMetadata?.cut ? "?ended=true" : ""}`,
  }),
});

const options = {
  id,
  transport,
  sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
  onToolCall({ toolCall }) {
    const { toolName: tool, toolCallId } = toolCall;
    if (tool in tools) window.chat.addToolOutput({ tool, toolCallId, output: tools[tool] });
  },
};
// In version 6 what `useChat` makes of a transport does not say that its streams are told from their start, and a page
// that comes back to one would have what it has twice (@ai-sdk/react 3.0.328). A chat of one's own does.
const given = VERSION === 6 ? { chat: new Chat(options) } : options;

function App() {
  const chat = useChat({ ...given, resume: true });
  const parts = (type) => chat.messages.at(-1)?.parts.filter((part) => part.type === type) ?? [];
  window.chat = Object.assign(chat, { parts, text: parts("text").map((part) => part.text).join("") });
  return <output>{chat.status}: {chat.text}</output>;
}

// Strict, as in development: all is mounted twice, and a resume that began twice would say all twice.
createRoot(document.body.appendChild(document.createElement("main"))).render(<StrictMode><App /></StrictMode>);
