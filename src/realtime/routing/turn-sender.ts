import type { RoomRouter, RoutedItem, SentItems } from '../../library-internals/redis-adapter.js';
import type { AdapterPublisher } from '../../platform/redis/publisher.js';

/** Characters of one command. It may exceed this by the items of one call. */
const CHARACTERS_MAX = 262_144;

interface Waiting {
  readonly items: readonly RoutedItem[];
  toAll(): Promise<boolean>;
  resolve(sent: SentItems): void;
}

/**
 * Sends the items of all calls in one event loop iteration as one command, in order with everything that is published. With many
 * backend calls in flight, several arrive in each iteration.
 * @param send never rejects
 */
export function createTurnSender(
  publisher: Pick<AdapterPublisher, 'atEndOfTurn'>,
  send: RoomRouter['send'],
): RoomRouter['send'] {
  let waiting: Waiting[] = [];
  let characters = 0;

  const flush = async (): Promise<void> => {
    const calls = waiting;
    waiting = [];
    characters = 0;
    if (calls.length === 0) return;
    const toAll = async (): Promise<boolean> => {
      const areReached = await Promise.all(calls.map((call) => call.toAll()));
      return areReached.every(Boolean);
    };
    const { isComplete, areHeld } = await send(
      calls.flatMap(({ items }) => items),
      toAll,
    );
    let end = 0;
    for (const { items, resolve } of calls) {
      const start = end;
      end += items.length;
      resolve({ isComplete, areHeld: areHeld?.slice(start, end) });
    }
  };

  return function sendAtEndOfTurn(items, toAll) {
    return new Promise((resolve) => {
      if (waiting.length === 0) publisher.atEndOfTurn(() => void flush());
      waiting.push({ items, toAll, resolve });
      for (const { item } of items) characters += item.length;
      if (characters > CHARACTERS_MAX) void flush();
    });
  };
}
