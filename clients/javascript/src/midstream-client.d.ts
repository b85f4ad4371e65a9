// The types of midstream-client. docs/protocol.md of Midstream has all fields of requests and events.

/** Returns a client of one Midstream. */
export function create(options?: ClientOptions): Client;

export interface ClientOptions {
  /** Where Midstream is, such as `https://ai.example.com`, without `/v1`. Defaults to the page's own origin. */
  url?: string;
  /** An API key or token, or what gets one, which is asked before each request. Defaults to none. */
  key?: string | (() => string | undefined | Promise<string | undefined>);
  /**
   * What sends requests. It must give `response.body` as it arrives, and heed `signal`. Defaults to `fetch` of the
   * platform; wrap that to add headers or `credentials: "include"`, or pass another where there is none.
   */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds of silence after which a connection is dead: three heartbeats of the server. Defaults to 45,000. */
  silence?: number;
}

export interface RequestOptions {
  /** Ends the waiting; what is asked then throws the signal's reason. */
  signal?: AbortSignal;
  /** How often the request is sent at most, while nobody answers or the server says "later". Defaults to 10. */
  tries?: number;
}

export interface PageOptions extends RequestOptions {
  /** How many at most. */
  limit?: number;
  /** `next` of the page before. */
  before?: string | number | null;
}

export interface FollowOptions {
  /** Ends the following: the iteration throws the signal's reason. The generation goes on. */
  signal?: AbortSignal;
  /** Called when the connection begins, is there, or is waited for. */
  onConnection?: (connection: ConnectionState) => void;
  /** More of the stream's query: `viewers: 1`, or the `token` by which it may be read. */
  query?: Record<string, string | number | undefined>;
}

/** The cursor to go on from; the start, where there is none. */
interface After {
  after?: string | null;
}

export interface ConnectionState {
  state: "connecting" | "open" | "waiting";
  /** How long it waits, in milliseconds. */
  ms?: number;
  /** Why it waits, where the server or the network said so. */
  error?: MidstreamError;
}

export interface CreateOptions extends FollowOptions {
  /** Makes a repetition safe, also after a reload, where it is kept. Defaults to a random one for each call. */
  idempotencyKey?: string;
  /** `false`: resolve once it is accepted, and keep no connection. Defaults to true. */
  follow?: boolean;
  /** How often the request is sent at most until it is accepted. Defaults to 10. */
  tries?: number;
}

export interface Client {
  /** Asks for an answer. Resolves when it is accepted; iterating the result reads the stream of this same request. */
  create(body: GenerationRequest, options?: CreateOptions): Promise<Generation>;
  /** Follows a generation: its id, the path of a link (`/s/…`), or a snapshot or a kept `answer` to go on from. */
  follow(generation: string | (Partial<Answer> & { id: string }), options?: FollowOptions & After): Generation;
  /** A generation as it stands. */
  snapshot(id: string, options?: RequestOptions): Promise<Snapshot>;
  /** Ends a generation for all who watch it, and says how it ended. */
  cancel(id: string, options?: RequestOptions): Promise<{ id: string; state: State }>;
  /** A conversation. Nothing is sent before one of its methods is called, or it is iterated. */
  conversation(id: string, options?: FollowOptions & After & { limit?: number }): Conversation;
  /** Conversations, newest first. */
  conversations(options?: PageOptions): Promise<{ data: ConversationSummary[]; next: string | null }>;
  /** Any other request that may be sent again where it was lost. Resolves with the JSON of the answer. */
  json<T = unknown>(method: string, path: string, body?: object | null, options?: PageOptions): Promise<T>;
}

/** The server said no, or nobody answered. */
export class MidstreamError extends Error {
  name: "MidstreamError";
  /** The HTTP status; 0 where nobody answered. */
  status: number;
  /** The server's word for programs, such as `gone`; `unreachable` where nobody answered. */
  code: string;
  /** Whether the same may succeed later. */
  retryable: boolean;
  /** Milliseconds that the server wants to be left alone. */
  retryAfter: number;
  /** What is wrong in the request. */
  errors?: { pointer: string; message: string }[];
}

/** A new key for `idempotencyKey`. */
export function idempotencyKey(): string;

/** The body of `POST /v1/generations`; these are a few of its fields. */
export interface GenerationRequest {
  model?: string;
  messages: Message[];
  conversation?: string;
  previous?: string;
  [field: string]: unknown;
}

export interface Message {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  content?: string | object[] | null;
  [field: string]: unknown;
}

export type State = "queued" | "running" | "completed" | "failed" | "cancelled";

/** One answer: iterate it for its events, each once, to the end; `answer` is what they add up to. */
export interface Generation extends AsyncIterable<GenerationEvent> {
  /** Null until the server has said it: with `create` it is there, unless a proxy hides the header `Location`. */
  readonly id: string | null;
  readonly state: State;
  /** Whether nothing comes any more. */
  readonly ended: boolean;
  readonly text: string;
  readonly parts: readonly Part[];
  /** All of it. Every event makes a new object; it may be kept as JSON, and followed from after a reload. */
  readonly answer: Answer;
  /** Id of the last event that came. */
  readonly cursor: string | null;
  cancel(options?: RequestOptions): Promise<{ id: string; state: State }>;
  /** Lets the connection go where nobody iterates; leaving the loop does the same. */
  close(): void;
}

/** What the events of a generation add up to, in the shape of its snapshot. */
export interface Answer {
  id: string | null;
  state: State;
  model?: string;
  created?: string;
  /** The place in the line, while it waits. */
  position: number | null;
  /** How many watch, where that was asked for. */
  viewers?: number;
  /** The text of all parts of kind `text`. */
  text: string;
  parts: Part[];
  attempts: Attempt[];
  /** What earlier attempts said, and why it does not count any more. */
  superseded: { reason: Attempt["reason"]; parts: Part[] }[];
  response: Record<string, unknown> | null;
  usage: Usage | null;
  cost: { amount: string; currency: string; at_least?: boolean } | null;
  finish_reason: string | null;
  error: Failure | null;
  queued_ms?: number | null;
  time_to_first_token_ms?: number | null;
  tokens_per_second?: number | null;
  last_event_id: string | null;
  conversation?: string | null;
  previous?: string | null;
}

/** `GET /v1/generations/ID`. */
export interface Snapshot extends Omit<Answer, "superseded" | "position" | "viewers" | "id"> {
  id: string;
  /** What the answer is among the `messages` of the next request; null before the end. */
  messages: Message[] | null;
  metadata: Record<string, string>;
  [field: string]: unknown;
}

export interface Attempt {
  number: number;
  reason: "new" | "worker_lost" | "drained" | "provider_error" | "fallback" | "source_lost";
  model: string;
  provider: string;
  continues: boolean;
  cached?: boolean;
}

export interface Part {
  kind: "text" | "reasoning" | "refusal" | "tool_call" | "tool_result" | "file";
  text: string | null;
  /** Whether it has ended. */
  complete: boolean;
  call_id: string | null;
  name: string | null;
  /** Of a whole `tool_call`, parsed. */
  arguments: unknown;
  /** The text of the arguments so far, or where it cannot be parsed. */
  arguments_text?: string;
  arguments_error?: string;
  executor?: "client" | "provider";
  summary?: boolean;
  item_id?: string;
  signature?: string;
  encrypted?: string;
  provider?: string;
  media_type?: string;
  url?: string;
  /** A file in Base64, and its bytes. */
  data?: string;
  size?: number;
  is_error?: boolean;
  result_type?: string;
  annotations?: Record<string, unknown>[];
  annotation_protocol?: string;
  logprobs?: object[];
  part?: number | null;
}

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
  [field: string]: unknown;
}

export interface Failure {
  code: string;
  /** Safe to show. */
  message: string;
  retryable: boolean;
  status?: number;
  retry_after_ms?: number;
}

interface Logged<Type extends string, Data> {
  type: Type;
  /** The event's id, which is a cursor. */
  id: string;
  data: Data & { t: number };
}

interface Told<Type extends string, Data> {
  type: Type;
  /** It is not in the log. */
  id: null;
  data: Data;
}

interface Spent {
  usage: Usage | null;
  cost: Answer["cost"];
}

/** An event of a generation. There may be others in time: ignore what you do not know. */
export type GenerationEvent =
  | Logged<"attempt", Attempt>
  | Logged<"response", Record<string, unknown>>
  | Logged<"part", Pick<Part, "kind"> & Partial<Part> & { part: number; resumes?: boolean }>
  | Logged<"delta", { part: number; kind: Part["kind"]; delta: string; logprobs?: object[] }>
  | Logged<"annotation", { part: number; fields: Record<string, unknown>; protocol?: string }>
  | Logged<"part_end", { part: number; signature?: string; encrypted?: string; provider?: string }>
  | Logged<"raw", { protocol: string; data: unknown }>
  | Logged<"usage", { usage: Usage }>
  | Logged<"completed", Spent & { finish_reason: string; raw_finish_reason?: string }>
  | Logged<"failed", Spent & Failure>
  | Logged<"cancelled", Spent>
  | Told<"queued", { id: string; position: number | null }>
  /** With the `id` of the generation in the stream of a conversation. */
  | Told<"viewers", { id?: string; viewers: number }>
  | Told<"reset", { reason: string; message: string }>
  | Told<"drain", Record<string, never>>;

/** Returns what a generation's events add up to after one more of them. */
export function fold(answer: Answer, event: GenerationEvent): Answer;

/** An event of a conversation: those of its generations, one after the other, and where each begins. */
export type ConversationEvent =
  | GenerationEvent
  | Logged<"generation", TurnBegins>
  | Told<"begun", TurnBegins>
  | Told<"gone", { generation: string }>
  | Told<"trimmed", { generation: string }>;

interface TurnBegins {
  generation: string;
  number: number;
  previous: string | null;
  model: string;
  created: string;
}

/** A turn: what was asked, where that was fetched, and what is answered. */
export interface Turn extends Answer {
  id: string;
  number: number;
  input?: Message[];
}

export interface ConversationSummary {
  id: string;
  title: string;
  /** That of its newest turn; null where none is left. */
  state: State | null;
  created: string;
  updated: string;
}

export interface TurnsPage extends ConversationSummary {
  generations: (Snapshot & { number: number; input: Message[] })[];
  count: number;
  next: number | null;
  /** Where the conversation's stream goes on from this page. */
  cursor: string | null;
}

/**
 * A conversation: iterate it for the events of all its turns, those that begin later too; `generations` is what they
 * add up to. It does not end by itself.
 */
export interface Conversation extends AsyncIterable<ConversationEvent> {
  readonly id: string;
  /** Oldest first. Every event makes a new list. */
  readonly generations: Turn[];
  /** Known once it was loaded, as is `next`. */
  readonly title: string | null;
  /** Where older turns go on; null where there are none. */
  readonly next: string | number | null;
  readonly cursor: string | null;
  /** Fetches the newest turns: iterating goes on from there, and fetches what is asked in later ones. */
  load(): Promise<this>;
  /** Fetches older turns. */
  more(): Promise<void>;
  /** Asks for the next answer. */
  create(body: GenerationRequest, options?: CreateOptions): Promise<Generation>;
  /** A page of its turns, newest first, as the server has them. */
  turns(options?: PageOptions): Promise<TurnsPage>;
  rename(title: string, options?: RequestOptions): Promise<ConversationSummary>;
  /** Deletes it with all that was said in it. */
  delete(options?: RequestOptions): Promise<void>;
  close(): void;
}
