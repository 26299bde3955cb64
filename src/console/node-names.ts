import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { administration } from '#shared/contracts/administration.js';
import { toCall } from './api.js';

const getNodes = toCall<typeof administration.routes.nodes>('get', '/nodes');

/** Names by id of the nodes that have answered since the page was loaded. A node keeps its name while it lives. */
const names = signal<ReadonlyMap<string, string>>(new Map());

/** Whether they have been asked for. */
const isAsked = signal(false);

/** An id without a name may be that of a node that has left, so it is not asked for all the time. */
const ASK_AGAIN_MS = 10_000;
let askedAt = Number.NEGATIVE_INFINITY;

/** The name of a node; its id while the name is not known, as that of a node that has left. */
export function useNodeName(id: string): string {
  const name = names.value.get(id);
  useEffect(() => {
    if (name === undefined) void learnNames();
  }, [id, name]);
  return name ?? id;
}

/** The names of several nodes, for a sentence. */
export function useNodeNames(ids: readonly string[]): string {
  const isKnown = ids.every((id) => names.value.has(id));
  useEffect(() => {
    if (!isKnown) void learnNames();
  }, [isKnown]);
  return ids.map((id) => names.value.get(id) ?? id).join(', ');
}

/** The id of the node that an operator means by its name or its id; `undefined` until the names are known. */
export function useNodeId(text: string): string | undefined {
  useEffect(() => {
    if (text !== '') void learnNames();
  }, [text]);
  if (text !== '' && !isAsked.value) return undefined;
  const [id = text] = [...names.value].find(([, name]) => name === text) ?? [];
  return id;
}

/** The view says what fails, by calls of its own. Without a name there is the id. */
async function learnNames(): Promise<void> {
  const now = performance.now();
  if (now - askedAt < ASK_AGAIN_MS) return;
  askedAt = now;
  const { nodes } = await getNodes({}).catch(() => ({ nodes: [] }));
  const learnt = nodes.flatMap(({ id, name }): [string, string][] => (name === null ? [] : [[id, name]]));
  names.value = new Map([...names.peek(), ...learnt]);
  isAsked.value = true;
}
