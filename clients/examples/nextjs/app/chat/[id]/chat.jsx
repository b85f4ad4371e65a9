"use client";

import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { useEffect, useState } from "react";

// After a cut the answer may have ended meanwhile: then we want it all the same.
const transport = new DefaultChatTransport({
  prepareReconnectToStreamRequest: ({ api, id, requestMetadata }) => ({
    api: `${api}/${encodeURIComponent(id)}/stream${requestMetadata?.cut ? "?ended=true" : ""}`,
  }),
});

export function Chat({ id, said }) {
  const [question, setQuestion] = useState("");
  // `resume`: after a reload, what is being said is told from its start.
  const { messages, sendMessage, regenerate, resumeStream, status, error } = useChat({
    id, transport, messages: said, resume: true,
  });
  const busy = status === "submitted" || status === "streaming";

  // A cut loses nothing either: the answer goes on without us, and we come back to it.
  const cut = error instanceof TypeError || error?.statusCode >= 500;
  useEffect(() => {
    if (!cut) return undefined;
    const timer = setTimeout(() => resumeStream({ metadata: { cut: true } }), 1000);
    return () => clearTimeout(timer);
  }, [cut, error, resumeStream]);

  function send(event) {
    event.preventDefault();
    sendMessage({ text: question });
    setQuestion("");
  }

  // useChat's own `stop` only stops listening. This stops the model.
  const stop = () => fetch(`/api/chat/${encodeURIComponent(id)}/stop`, { method: "POST" });

  return (
    <main>
      {messages.map((message) => (
        <article key={message.id} className={message.role}>
          {message.parts.map((part, n) => <Part key={n} part={part} />)}
        </article>
      ))}
      <footer id="state" role="status">{cut ? "reconnecting" : status}</footer>
      {error && !cut && (
        <p role="alert">
          {error.message} <button onClick={() => regenerate()}>Try again</button>
        </p>
      )}
      <form onSubmit={send} style={{ display: "flex", gap: ".5rem" }}>
        <input
          id="question" aria-label="Question" required style={{ flex: 1 }}
          value={question} onChange={(event) => setQuestion(event.target.value)}
        />
        <button id="send" disabled={busy || cut}>Send</button>
        <button id="stop" type="button" disabled={!busy} onClick={stop}>Stop</button>
      </form>
    </main>
  );
}

function Part({ part }) {
  if (part.type === "text") return <p style={{ whiteSpace: "pre-wrap" }}>{part.text}</p>;
  if (part.type === "reasoning") return <details><summary>Thoughts</summary>{part.text}</details>;
  if (part.type === "file" && part.mediaType.startsWith("image/")) return <img src={part.url} alt="" />;
  return null;
}
