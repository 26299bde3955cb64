import type { TestClient } from '../support/client.js';
import { until } from '../support/until.js';

/** An event that a witness received. */
export interface Heard {
  /** `reader` and `otherReader`: of the push site, and of another one. */
  readonly who: 'owner' | 'bystander' | 'stranger' | 'otherAgent' | 'reader' | 'otherReader';
  readonly namespace: string;
  readonly event: string;
  readonly payload: unknown;
}

/** A socket that listens. */
export interface Witness extends Pick<Heard, 'who' | 'namespace'> {
  /** The department of a socket on `/department`. */
  readonly departmentId: string;
  readonly client: TestClient;
}

/** Events about the witness's own state. */
const OWN = new Set(['presence_snapshot', 'auth_expiring', 'notification:unread_count']);

/** Prefix of messages that only show that all earlier events have arrived. */
export const BELL = 'bell ';

const isBell = (event: string, payload: unknown): boolean =>
  event === 'bell' || String((payload as { content?: unknown } | undefined)?.content).startsWith(BELL);

interface Place extends Pick<Witness, 'departmentId'> {
  readonly ringerId: string;
}

/** Whether the ringer has entered the conversation of all, or is assigned to a conversation of the witness's department. */
function isOfRinger(event: string, payload: unknown, { ringerId, departmentId }: Place): boolean {
  if (event === 'user_joined') return (payload as { userId?: unknown }).userId === ringerId;
  if (event !== 'conversation_assigned') return false;
  const { assignedTo, conversation } = payload as { assignedTo: string; conversation: { departmentId: string } };
  return assignedTo === ringerId && conversation.departmentId === departmentId;
}

/** Records what witnesses hear. */
export function createRecord(witnesses: readonly Witness[], { ringerId }: { ringerId: string }) {
  const heard: Heard[] = [];
  const bells = new Map<Witness, number>();
  const note = (witness: Witness, event: string, payload: unknown): void => {
    const { who, namespace, departmentId } = witness;
    if (isBell(event, payload) || isOfRinger(event, payload, { ringerId, departmentId }))
      bells.set(witness, (bells.get(witness) ?? 0) + 1);
    else if (!OWN.has(event)) heard.push({ who, namespace, event, payload });
  };
  const lost: string[] = [];
  for (const witness of witnesses) {
    const { who, namespace, client } = witness;
    void client.closed.then((reason) => lost.push(`the witness ${who} on ${namespace} was disconnected: ${reason}`));
    client.socket.onAny((event: string, payload: unknown, ...more: unknown[]) => {
      note(witness, event, payload);
      // A client that does not acknowledge gets nothing more after a while.
      const acknowledge = more.at(-1) ?? payload;
      if (typeof acknowledge === 'function') acknowledge();
    });
  }
  return {
    /**
     * Rings, waits until every witness has heard the bell, and takes what they have heard before.
     * @param count bells of each ring, by namespace
     * @throws Error when a witness was disconnected
     */
    async take(ring: () => Promise<void>, count: (namespace: string) => number): Promise<Heard[]> {
      const before = new Map(witnesses.map((witness) => [witness, bells.get(witness) ?? 0]));
      await ring();
      await until(() => {
        if (lost.length > 0) throw new Error(lost.join('; '));
        return witnesses.every((witness) => {
          const rung = (bells.get(witness) ?? 0) - (before.get(witness) ?? 0);
          return rung >= count(witness.namespace);
        });
      });
      return heard.splice(0);
    },
  };
}
