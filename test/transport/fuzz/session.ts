import type { Wire } from './wire.js';

/** An acknowledgement, unparsed. */
interface Acknowledged {
  readonly id: number;
  /** The list of arguments as JSON. */
  readonly text: string;
}

/** A client in one namespace of a connection. */
export interface Session {
  readonly wire: Wire;
  readonly namespace: string;
  /** Resolves with the answer to CONNECT; `undefined` when the connection was closed. */
  enter(auth: string): Promise<string | undefined>;
  /** Resolves with the acknowledgement of an id; `undefined` when the connection or the namespace was closed. */
  answerTo(id: number): Promise<Acknowledged | undefined>;
  /** Handles a received frame. */
  take(frame: string): void;
}

interface SessionOptions {
  wire: Wire;
  namespace: string;
  /** Handles an event of the gateway. The returned value is sent as its acknowledgement when one is requested. */
  onEvent?(text: string): string | undefined;
}

const prefixOf = (namespace: string): string => (namespace === '/' ? '' : `${namespace},`);

/** The frame of an event. @param id of the acknowledgement; absent: none is requested */
export const eventFrame = (namespace: string, json: string, id?: number): string =>
  `42${prefixOf(namespace)}${id ?? ''}${json}`;

/** The header frame of an event with attachments. */
export const binaryFrame = (
  namespace: string,
  json: string,
  { id, count }: { id?: number | undefined; count: number },
): string => `45${count}-${prefixOf(namespace)}${id ?? ''}${json}`;

/** A CONNECT frame. */
export const connectFrame = (namespace: string, auth: string): string => `40${prefixOf(namespace)}${auth}`;

/** A correct Socket.IO client: answers heartbeats, and matches acknowledgements to events. */
export function createSession({ wire, namespace, onEvent = () => undefined }: SessionOptions): Session {
  const waiting = new Map<number, ((answer: Acknowledged | undefined) => void)[]>();
  let connectAnswer: ((answer: string | undefined) => void) | undefined;
  const prefix = prefixOf(namespace);

  const endAll = (): void => {
    for (const resolve of [...waiting.values()].flat()) resolve(undefined);
    waiting.clear();
    connectAnswer?.(undefined);
    connectAnswer = undefined;
  };
  void wire.closed.then(endAll);

  const takePacket = (type: string, rest: string): void => {
    if (type === '0' || type === '4') {
      connectAnswer?.(`4${type}${rest}`);
      connectAnswer = undefined;
    } else if (type === '1') {
      endAll();
    } else if (type === '3') {
      const [whole = '', id = ''] = /^(\d+)/.exec(rest) ?? [];
      const resolve = waiting.get(Number(id))?.shift();
      if (waiting.get(Number(id))?.length === 0) waiting.delete(Number(id));
      resolve?.({ id: Number(id), text: rest.slice(whole.length) });
    } else if (type === '2') {
      const [whole, id] = /^(\d*)/.exec(rest) ?? ['', ''];
      const reply = onEvent(rest.slice(whole.length));
      if (id !== '' && reply !== undefined) wire.send(`43${prefix}${id}${reply}`);
    }
  };

  return {
    wire,
    namespace,
    enter(auth) {
      wire.send(connectFrame(namespace, auth));
      return new Promise((resolve) => {
        if (!wire.isOpen) resolve(undefined);
        connectAnswer = resolve;
      });
    },
    answerTo: (id) =>
      new Promise((resolve) => {
        if (wire.isOpen) waiting.set(id, [...(waiting.get(id) ?? []), resolve]);
        else resolve(undefined);
      }),
    take(frame) {
      if (frame === '2') return wire.send('3');
      const [, type, nsp = '', rest] = /^4([0-6])(\/[^,]*(?:,|$))?([\s\S]*)$/.exec(frame) ?? [];
      if (type === undefined || rest === undefined) return;
      if (nsp.replace(/,?$/, ',') === (prefix === '' ? ',' : prefix)) takePacket(type, rest);
    },
  };
}
