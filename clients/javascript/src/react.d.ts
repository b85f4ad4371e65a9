// The types of midstream-client/react.

import type { Answer, Client, CreateOptions, Generation, GenerationRequest } from "midstream-client";
import type { Failure, MidstreamError, Turn } from "midstream-client";

interface Followed {
  /** How the connection stands; undefined where nothing is followed. */
  connection?: "connecting" | "open" | "waiting";
}

/**
 * Follows the generation `id`, or the one that `create` has asked for since. Mounting twice asks once, leaving stops
 * nothing, and what comes within a frame is rendered once.
 */
export function useGeneration(client: Client, id?: string | null): UsedGeneration;

export interface UsedGeneration extends Partial<Omit<Answer, "error" | "text" | "parts">>, Followed {
  text: string;
  parts: Answer["parts"];
  /** Why the answer failed, or why it cannot be followed. */
  error: MidstreamError | Failure | null;
  /** Asks for another answer, which then takes this one's place. It is sent until the server has it. */
  create(body: GenerationRequest): void;
  /** Ends it for all who watch it. */
  cancel(): Promise<unknown>;
}

/** Follows a conversation, whoever asks in it. Of an unknown one there is nothing to see until `create` begins it. */
export function useConversation(client: Client, id?: string | null): UsedConversation;

export interface UsedConversation extends Followed {
  /** Oldest first. */
  generations: Turn[];
  title: string | null;
  /** Whether `more` fetches older turns. */
  hasMore: boolean;
  error: MidstreamError | null;
  /** Asks for the next answer; resolves once it is accepted. */
  create(body: GenerationRequest, options?: CreateOptions): Promise<Generation>;
  /** Ends the newest answer. */
  cancel(): Promise<unknown>;
  more(): Promise<void>;
}
