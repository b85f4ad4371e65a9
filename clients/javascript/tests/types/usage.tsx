// What the types allow, and what they do not: compiled by tests/types.test.js, and never run.

import { create, fold, idempotencyKey, MidstreamError } from "midstream-client";
import type { Answer, Client, ConversationEvent, GenerationEvent, Turn } from "midstream-client";
import { useConversation, useGeneration } from "midstream-client/react";

const client: Client = create({ url: "https://ai.example.com", key: async () => "key", fetch, silence: 90_000 });

export async function asks(signal: AbortSignal): Promise<string> {
  const generation = await client.create({ messages: [{ role: "user", content: "Hi" }] }, { idempotencyKey: idempotencyKey(), signal });
  for await (const event of generation) {
    if (event.type === "delta") takes(event.data.delta, event.id);
    if (event.type === "queued") place(event.data.position);
    // @ts-expect-error A delta has no finish_reason.
    if (event.type === "delta") takes(event.data.finish_reason);
    // @ts-expect-error There is no such event.
    if (event.type === "token") return "";
  }
  const answer: Answer = generation.answer;
  // @ts-expect-error What an answer is changes with its events alone.
  generation.text = "";
  return answer.error?.code ?? generation.text;
}

export async function follows(kept: string): Promise<Answer> {
  const answer: Answer = JSON.parse(kept);
  const followed = client.follow({ ...answer, id: "gen_a" }, { query: { viewers: 1 }, onConnection: ({ state, ms }) => place(state === "waiting" ? (ms ?? 0) : null) });
  // @ts-expect-error It is followed by its id.
  client.follow(5);
  let now = answer;
  for await (const event of followed) now = fold(now, event satisfies GenerationEvent);
  return now;
}

export async function converses(): Promise<Turn[]> {
  const conversation = await client.conversation("chat", { limit: 20 }).load();
  for await (const event of conversation) if (event.type === "generation") place(event.data.number);
  const last: ConversationEvent["type"] = "gone";
  const cut: ConversationEvent["type"] = "trimmed";
  takes(last, conversation.title);
  takes(cut, (await conversation.turns()).state);
  // @ts-expect-error Where no turn is left there is no state.
  (await conversation.turns()).state.length;
  await conversation.rename("Title", { tries: 3 });
  const { data, next } = await client.conversations({ limit: 5 });
  takes(data[0]?.title ?? "", next);
  return conversation.generations;
}

export function failed(error: unknown): boolean {
  return error instanceof MidstreamError && error.status === 429 && error.retryAfter > 0 && error.code === "rate_limited";
}

export function Answered({ id }: { id: string | null }) {
  const { text, state, connection, error, create: ask, cancel } = useGeneration(client, id);
  takes(state ?? "", connection ?? null);
  ask({ model: "gpt-5", messages: [] });
  void cancel();
  return error?.message ?? text;
}

export function Conversing() {
  const { generations, hasMore, more, create: ask } = useConversation(client, "chat");
  void ask({ messages: [] }).then(({ id }) => takes("", id));
  if (hasMore) void more();
  // @ts-expect-error What was asked may not have been fetched.
  takes(generations[0].input[0].role);
  return generations.map(({ text }) => text);
}

declare function takes(text: string, more?: string | null): void;
declare function place(number: number | null): void;
