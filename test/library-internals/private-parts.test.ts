import { Server } from 'socket.io';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import {
  connectionParts,
  createConnectionCheck,
  reportMissingServerParts,
  serverParts,
} from '../../src/library-internals/private-parts.js';
import { createLogger } from '../../src/platform/logging/logger.js';
import { connect } from '../support/client.js';
import { startGateway } from '../support/gateway.js';

/** A logger that keeps the names of the parts it is notified of. */
function createRecorder() {
  const names: unknown[] = [];
  return { names, warn: (details: { part?: unknown }) => void names.push(details.part) };
}

/** A socket over a websocket without any private part. */
const withOnly = (conn: object): never => ({ conn: { transport: { name: 'websocket' }, ...conn } }) as never;

describe('with the installed versions', () => {
  test.each(serverParts)('the server has $name', ({ isThere }) => {
    const io = new Server(0, { serveClient: false });
    onTestFinished(() => void io.close());
    expect(isThere(io)).toBe(true);
    expect(isThere({ of: () => ({ adapter: {} }) })).toBe(false);
  });

  test.each(connectionParts)('a connection has $name', async ({ isThere }) => {
    const io = new Server(0, { serveClient: false });
    onTestFinished(() => void io.close());
    const connected = new Promise<unknown>((resolve) => io.on('connection', resolve));
    const { port } = (io as unknown as { httpServer: { address(): { port: number } } }).httpServer.address();
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
    socket.on('open', () => socket.send('40'));
    onTestFinished(() => socket.close());
    expect(isThere(await connected)).toBe(true);
    expect(isThere({ conn: { transport: {} } })).toBe(false);
  });

  test('a gateway logs nothing about them', async () => {
    const recorder = createRecorder();
    const logger = Object.assign(createLogger({ level: 'warn', isPretty: false }), { warn: recorder.warn });
    const gateway = await startGateway({}, { logger });
    onTestFinished(() => gateway.close());
    const client = await connect(gateway, {});
    client.close();
    expect(recorder.names.filter((name) => name !== undefined)).toEqual([]);
  });
});

test('reports each missing part of the server by name', () => {
  const logger = createRecorder();
  reportMissingServerParts({ of: () => ({ adapter: {} }) }, logger as never);
  expect(logger.names).toEqual(serverParts.map(({ name }) => name));
});

test('reports missing parts of connections once', () => {
  const logger = createRecorder();
  const check = createConnectionCheck(logger as never);
  check.connected({ conn: { transport: { name: 'polling' } } } as never);
  expect(logger.names).toEqual([]);
  check.connected(withOnly({}));
  check.connected(withOnly({}));
  expect(logger.names).toEqual(connectionParts.map(({ name }) => name));
});
