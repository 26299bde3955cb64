import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'socket.io';

type Connection = Socket['conn'];

/** Packets of a body that are handled in one event loop iteration. */
const PACKETS_AT_ONCE = 100;
/** Between the packets of a body. */
const SEPARATOR = '\u001e';
/** Clients of this protocol write the length of each packet before it. */
const OLD_PROTOCOL = 3;

/** `onDataRequest` and `onData` are private to Engine.IO; their presence is checked. */
interface PollingTransport {
  [stateOf]?: State;
  onDataRequest?(request: IncomingMessage, response: ServerResponse): void;
  onData?(body: string | Buffer): void;
}
const stateOf = Symbol('what waits of a polling client');
type PollingConnection = Connection & { [stateOf]?: State };

interface State {
  readonly connection: Connection;
  readonly transport: PollingTransport;
  /** Whether packets are handled only by {@link handleSome}. */
  readonly isSlowed: (connection: Connection) => boolean;
  /** The packets of a body that are not handled yet. */
  rest: string | undefined;
  /** Answers its request. */
  answer: (() => void) | undefined;
  /** Takes the next body. */
  next: (() => void) | undefined;
}

const originalOf = (transport: PollingTransport): PollingTransport =>
  Object.getPrototypeOf(transport) as PollingTransport;

/**
 * Handles the packets of a new polling client some at a time. A body of a megabyte can hold half a million, and Engine.IO handles
 * all of them synchronously. Until they are handled, the request waits for its answer, and so the client sends nothing else.
 */
export function handleBodiesInSlices(connection: PollingConnection, isSlowed: State['isSlowed']): void {
  const transport: PollingTransport = connection.transport as object;
  if (transport.onDataRequest === undefined || transport.onData === undefined) return;
  const state = { connection, transport, isSlowed, rest: undefined, answer: undefined, next: undefined };
  connection[stateOf] = state;
  transport[stateOf] = state;
  transport.onDataRequest = takeBody;
  transport.onData = takePackets;
}

/** Handles some of what waits of a polling client. @returns whether anything waited */
export function handleSome({ [stateOf]: state }: PollingConnection): boolean {
  if (state === undefined) return false;
  const { rest, next } = state;
  if (rest !== undefined) {
    handleFirst(state, rest);
    return true;
  }
  state.next = undefined;
  next?.();
  return next !== undefined;
}

/** Forgets the packets of a client that has left, and answers its requests. */
export function endBodies(connection: PollingConnection): void {
  if (connection[stateOf]?.rest !== undefined) finish(connection[stateOf]);
  handleSome(connection);
}

// Shared by all transports, to save closures for each idle one.
function takeBody(this: PollingTransport, request: IncomingMessage, response: ServerResponse): void {
  const { [stateOf]: state } = this;
  if (state === undefined) return;
  const take = (): void => {
    const end = response.end.bind(response);
    response.end = (...args: never[]) => {
      if (state.rest === undefined) end(...args);
      else state.answer = () => end(...args);
      return response;
    };
    originalOf(this).onDataRequest?.call(this, request, response);
  };
  const { next } = state;
  state.next = undefined;
  // Of two at once Engine.IO refuses the second one.
  next?.();
  if (next === undefined && (state.rest !== undefined || state.isSlowed(state.connection))) state.next = take;
  else take();
}

function takePackets(this: PollingTransport, body: string | Buffer): void {
  const { [stateOf]: state } = this;
  if (state === undefined || typeof body !== 'string') originalOf(this).onData?.call(this, body);
  else if (state.rest === undefined) handleFirst(state, body);
  // Of a second request at once.
  else state.rest += SEPARATOR + body;
}

function handleFirst(state: State, packets: string): void {
  const { connection, transport } = state;
  const end = endOfFirst(packets, connection.protocol === OLD_PROTOCOL);
  const isAll = end >= packets.length;
  // Before they are handled, because handling can close the connection.
  state.rest = isAll ? undefined : packets.slice(end);
  const isSeparated = !isAll && packets[end - 1] === SEPARATOR;
  originalOf(transport).onData?.call(transport, packets.slice(0, isSeparated ? end - 1 : end));
  if (state.rest === undefined) finish(state);
  else setImmediate(handleNext, state);
}

function handleNext(state: State): void {
  const { connection, transport, isSlowed } = state;
  const isOver = connection.readyState !== 'open' || connection.transport !== (transport as object);
  if (isOver) endBodies(connection);
  else if (!isSlowed(connection) && handleSome(connection) && state.rest === undefined) handleSome(connection);
}

function finish(state: State): void {
  const { answer } = state;
  state.rest = undefined;
  state.answer = undefined;
  answer?.();
}

/** Where the packet after the first {@link PACKETS_AT_ONCE} begins. */
function endOfFirst(packets: string, hasLengths: boolean): number {
  let end = 0;
  for (let count = 0; count < PACKETS_AT_ONCE && end < packets.length; count += 1) {
    const mark = packets.indexOf(hasLengths ? ':' : SEPARATOR, end);
    if (mark === -1) return packets.length;
    const length = hasLengths ? Number(packets.slice(end, mark)) : 0;
    if (!Number.isInteger(length) || length < 0) return packets.length;
    end = mark + 1 + length;
  }
  return end;
}
