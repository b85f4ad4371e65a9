// Hooks for React over midstream-client. What a component sees of them is documented in react.d.ts.

import { useCallback, useEffect, useRef, useState } from "react";
import { idempotencyKey } from "midstream-client";

const FRAME = 16; // ms; the events of so long are rendered at once

export function useGeneration(client, id = null) {
  const [asked, setAsked] = useState({ id });
  const name = asked.key ?? asked.id; // of what is followed: what was asked last, or `id`
  const last = useRef({}); // what it has become, from which a second mount goes on
  const [{ answer, ...shown }] = useFollowed(client, name, async (options) => {
    if (last.current.name === name && last.current.answer.id) return client.follow(last.current.answer, options);
    const forever = { ...options, idempotencyKey: name, tries: Infinity };
    const stream = await (asked.body ? client.create(asked.body, forever) : client.follow(id, options));
    if (last.current.unwanted === name) await client.cancel(stream.id);
    return stream;
  }, ({ answer }) => (last.current = { name, answer }));
  if (asked.id !== id) setAsked(id && answer?.id === id ? { ...asked, id } : { id });
  const create = useCallback((body) => setAsked({ id, body, key: idempotencyKey() }), [id]);
  const cancel = useCallback(async () => {
    last.current.unwanted = name; // also before it is accepted
    return last.current.name === name && client.cancel(last.current.answer.id);
  }, [client, name]);
  return { text: "", parts: [], ...answer, ...shown, error: shown.error ?? answer?.error ?? null, create, cancel };
}

export function useConversation(client, id = null) {
  const [round, setRound] = useState(0); // before the first message nobody knows the conversation: then once more
  const followed = useRef(null);
  const asked = useRef({}); // what was asked here last, in each conversation
  const open = async (options) => {
    followed.current = null;
    const loading = client.conversation(id, options).load();
    return (followed.current = await loading.catch((error) => { if (error.status !== 404) throw error; }));
  };
  const view = ({ generations, title, next }) => ({ generations, title, hasMore: next !== null });
  const [shown, show] = useFollowed(client, id && `${round} ${id}`, open, view);
  const create = useCallback(async (body, options) => {
    const generation = await (asked.current[id] = client.conversation(id).create(body, { ...options, follow: false }));
    if (!followed.current || shown.error) setRound((round) => round + 1);
    return generation;
  }, [client, id, shown.error]);
  const cancel = useCallback(async () => {
    const own = await asked.current[id]?.catch(() => {});
    const ids = followed.current?.generations.map((turn) => turn.id) ?? [];
    return client.cancel(!own || ids.includes(own.id) ? ids.at(-1) : own.id);
  }, [client, id]);
  const more = useCallback(() => followed.current.more().then(() => show.current(view(followed.current))), []);
  return { generations: [], title: null, hasMore: false, error: null, ...shown, create, cancel, more };
}

/** What `view` says of the stream that `open` gives, as it grows and while it is shown; and a way to show more. */
function useFollowed(client, name, open, view) {
  const [{ of, ...shown }, setShown] = useState({});
  const show = useRef(null);
  useEffect(() => {
    if (!name) return undefined;
    const controller = new AbortController();
    let [timer, known] = [null, of === name && shown];
    const note = (fields) => {
      known = { ...known, ...fields, of: name };
      if (!controller.signal.aborted) timer ??= setTimeout(() => { setShown(known); timer = null; }, FRAME);
    };
    const onConnection = ({ state }) => note({ connection: state });
    const follow = async () => {
      const stream = await open({ signal: controller.signal, onConnection });
      if (stream) note(view(stream));
      for await (const _ of stream ?? []) note(view(stream));
    };
    follow().catch((error) => note({ error }));
    show.current = note;
    return () => { controller.abort(); clearTimeout(timer); };
  }, [client, name]);
  return [of === name ? shown : {}, show];
}
