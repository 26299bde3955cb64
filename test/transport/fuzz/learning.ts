import type { Random } from '../../support/random.js';
import type { Json } from './json.js';
import type { Pools } from './samples.js';

/** The field whose pool takes the id in an answer, by event or route. */
const FIELDS: Readonly<Record<string, string>> = {
  create_conversation: 'conversationId',
  add_conversation: 'conversation_id',
  send_message: 'messageId',
  'chat:send_message': 'messageId',
  message: 'message_id',
  prospect_add_note: 'message_id',
  'post /emit/:userId/:event': 'id',
  'post /api/v1/conversations': 'id',
};

/** Pairs of fields that identify a message and its conversation or group. */
const PAIRS = [
  { told: 'conversationId', place: 'conversationId', message: 'messageId' },
  { told: 'conversation_id', place: 'conversation_id', message: 'message_id' },
  { told: 'chat', place: 'chatId', message: 'messageId' },
] as const;

/** Slots for learned values in each pool. */
const SLOTS = 6;
const PAIR_SHARE = 0.6;

/** Pools that learn ids from answers. */
export interface Learning {
  readonly pools: Pools;
  /** @param name event name, or method and path of the route @param answer body as text */
  note(name: string, answer: string): void;
  /** Replaces the two ids of a payload by a known pair of conversation and message. */
  pair(data: Json, random: Random): Json;
}

/**
 * Learned values overwrite slots that exist from the start. The number of choices does not depend on the answers, so that a
 * seed generates the same sequence of choices again.
 */
export function createLearning(known: Pools): Learning {
  const pools: Record<string, string[]> = Object.fromEntries(
    Object.entries(known).map(([field, values]) => [field, [...values]]),
  );
  for (const field of new Set(Object.values(FIELDS))) {
    const values = pools[field] ?? ['0'.repeat(24)];
    pools[field] = [...values, ...Array.from({ length: SLOTS }, (_, index) => values[index % values.length] ?? '')];
  }
  const pairs = new Map<string, [place: string, message: string][]>();
  const counts = new Map<string, number>();
  const nextSlot = (name: string): number => {
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    return count % SLOTS;
  };

  return {
    pools,
    note(name, answer) {
      const values = pools[FIELDS[name] ?? ''];
      const [, id] = /"_?id":"([0-9a-f]{24})"/.exec(answer) ?? [];
      if (values === undefined || id === undefined) return;
      values[values.length - 1 - nextSlot(name)] = id;
      for (const { told, place } of PAIRS) {
        const [, placeId] = new RegExp(`"${told}":"([0-9a-f]{24})"`).exec(answer) ?? [];
        if (placeId === undefined) continue;
        const slots = pairs.get(place) ?? [];
        slots[nextSlot(place)] = [placeId, id];
        pairs.set(place, slots);
      }
    },
    pair(data, random) {
      const slot = random.integer(SLOTS);
      if (!random.chance(PAIR_SHARE) || data === null || typeof data !== 'object' || Array.isArray(data)) return data;
      const fields = PAIRS.find(({ place, message }) => place in data && message in data);
      const [place, message] = pairs.get(fields?.place ?? '')?.[slot] ?? [];
      if (fields === undefined || place === undefined || message === undefined) return data;
      return { ...data, [fields.place]: place, [fields.message]: message };
    },
  };
}
