import type { Wire } from './wire.js';

/** The answer to an event, as it stands in the frame. */
export interface Acknowledged {
  readonly id: number;
  /** JSON text of the list of arguments. */
  readonly text: string;
}

/** One namespace on one connection, as a client sees it. */
export interface Session {
  readonly wire: Wire;
  readonly namespace: string;
  /** Resolves with the gateway's answer to a CONNECT, `undefined` when the connection was closed instead. */
  enter(auth: string): Promise<string | undefined>;
  /** Resolves when there is an answer to the id, or with `undefined` when the connection or the namespace was closed. */
  answerTo(id: number): Promise<Acknowledged | undefined>;
  /** Takes a frame that has come. */
  take(frame: string): void;
}

interface SessionOptions {
  wire: Wire;
  namespace: string;
  /** Events of the gateway; what is returned is sent back as the acknowledgement, if one was asked for. */
  onEvent?(text: string): string | undefined;
}

const prefixOf = (namespace: string): string => (namespace === '/' ? '' : `${namespace},`);

/** The frame of an event. @param id of the acknowledgement; absent: none is asked for */
export const eventFrame = (namespace: string, json: string, id?: number): string =>
  `42${prefixOf(namespace)}${id ?? ''}${json}`;

/** The frame that announces the attachments of an event. */
export const binaryFrame = (
  namespace: string,
  json: string,
  { id, count }: { id?: number | undefined; count: number },
): string => `45${count}-${prefixOf(namespace)}${id ?? ''}${json}`;

/** The frame that enters a namespace. */
export const connectFrame = (namespace: string, auth: string): string => `40${prefixOf(namespace)}${auth}`;

/** Speaks the protocol of Socket.IO well: answers heartbeats, and waits for answers. */
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
