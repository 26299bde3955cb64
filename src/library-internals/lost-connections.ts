import type { Worker } from 'node:cluster';
import type { Logger } from '../platform/logging/logger.js';
import { reportMissingWorkerParts, type WorkerMessages } from './private-parts.js';

/** A message of `node:cluster` itself. Its response has its `seq` as `ack`. */
interface ClusterMessage {
  readonly cmd: 'NODE_CLUSTER';
  readonly seq?: unknown;
  readonly ack?: unknown;
}

/** An accepted connection, as `node:cluster` sends it to a worker. */
interface Handle {
  close(): void;
}

/**
 * Closes the connections that a worker does not take over because it ends. The primary accepts each connection, sends it to a
 * worker, and closes its own copy when the worker responds. `node:cluster` does not handle a worker that ends before it responds:
 * the connection stays open, nothing reads it, and the client waits until its own time limit.
 *
 * No other worker gets such a connection: the one that ended may have read a part of a request.
 * @param worker has just been started
 */
export function closeLostConnections(worker: Worker, logger: Pick<Logger, 'warn'>): void {
  const { process: child } = worker;
  /** Connections without a response, by the number of their message: at most one for each port. */
  const handles = new Map<unknown, Handle>();
  // The process has ended, and each of its messages has been read.
  child.once('close', () => {
    for (const handle of handles.values()) handle.close();
    handles.clear();
    // The event `disconnect`, by which `node:cluster` removes a worker from its ports, is missing while a handle has no response.
    worker.disconnect();
  });
  // It could not be created.
  if (child.pid === undefined) return;

  const seen: { request?: unknown; response?: unknown } = {};
  const send = child.send.bind(child) as (...args: unknown[]) => boolean;
  child.send = (message: unknown, handle?: unknown, ...rest: unknown[]) => {
    if (isOfCluster(message)) {
      if (message.ack !== undefined) seen.response = message;
      else if (isHandle(handle)) handles.set(message.seq, handle);
    }
    return send(message, handle, ...rest);
  };
  child.on('internalMessage', (message: unknown) => {
    if (!isOfCluster(message)) return;
    if (message.ack === undefined) seen.request = message;
    handles.delete(message.ack);
  });
  // It has requested its port, and the primary has responded.
  worker.once('listening', () => reportMissingWorkerParts(seen satisfies WorkerMessages, logger));
}

const isOfCluster = (message: unknown): message is ClusterMessage =>
  typeof message === 'object' && message !== null && 'cmd' in message && message.cmd === 'NODE_CLUSTER';

const isHandle = (value: unknown): value is Handle =>
  typeof value === 'object' && value !== null && 'close' in value && typeof value.close === 'function';
