import { GatewayError } from '../../errors.js';
import type { UnreadArguments } from '../../library-internals/packet-decoder.js';

/** Maximum bytes of a node, and of one caller, as multiples of the largest message. */
const NODE_MESSAGES = 64;
const CALLER_MESSAGES = NODE_MESSAGES / 4;
/** When a refused client may try again. */
const RETRY_MS = 1000;

/** What is held of an event. */
interface Arguments {
  /** Those of most large events are not read yet. */
  readonly unread: UnreadArguments | undefined;
  readonly args: readonly unknown[];
}

/** The large events that a node has received and not read yet. */
export interface HeldEvents {
  /**
   * Counts the large arguments of an event until they are read. Small ones are bounded by their number for each socket.
   * @returns ends it
   * @throws GatewayError `RATE_LIMITED`
   */
  hold(caller: string, event: Arguments): () => void;
}

const nothing = (): void => undefined;

/**
 * Limits the bytes of large events that wait to be read, for the node and for each caller. An event waits for the limiter in Redis
 * first, so a slow one makes all sockets hold their events at once. A single event is never too large: its frame is limited.
 */
export function createHeldEvents(messageMaxBytes: number): HeldEvents {
  const nodeMax = NODE_MESSAGES * messageMaxBytes;
  const callerMax = CALLER_MESSAGES * messageMaxBytes;
  const ofCaller = new Map<string, number>();
  let total = 0;

  const add = (caller: string, bytes: number): void => {
    total += bytes;
    const own = (ofCaller.get(caller) ?? 0) + bytes;
    if (own === 0) ofCaller.delete(caller);
    else ofCaller.set(caller, own);
  };
  return {
    hold(caller, event) {
      const bytes = largeBytesOf(event);
      if (bytes === 0) return nothing;
      const own = ofCaller.get(caller) ?? 0;
      const isTooMuch = (total > 0 && total + bytes > nodeMax) || (own > 0 && own + bytes > callerMax);
      if (isTooMuch) throw new GatewayError('RATE_LIMITED', { retryAfterMs: RETRY_MS });
      add(caller, bytes);
      return () => add(caller, -bytes);
    },
  };
}

/** Of text, a lower bound: a character takes one to two bytes in memory. */
const largeBytesOf = ({ unread, args }: Arguments): number =>
  args.reduce<number>((sum, arg) => sum + (ArrayBuffer.isView(arg) ? arg.byteLength : 0), unread?.size ?? 0);
