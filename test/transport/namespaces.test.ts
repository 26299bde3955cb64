import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import { createFrameGate } from '../../src/library-internals/frame-limit.js';
import { createLogger } from '../../src/platform/logging/logger.js';
import { createMetrics } from '../../src/platform/metrics.js';
import { noPeers } from '../../src/platform/peer-counts.js';
import { systemClock } from '../../src/platform/time/clock.js';
import { Traffic } from '../../src/realtime/traffic.js';
import { createAdmission } from '../../src/transport/connections/admission.js';
import { createConnectDeadline } from '../../src/transport/connections/connect-deadline.js';
import { createConnectLimits } from '../../src/transport/connections/connect-limits.js';
import { createConnectionBounds } from '../../src/transport/connections/connection-bounds.js';
import { createHandshakes } from '../../src/transport/connections/handshakes.js';
import { createFloods } from '../../src/transport/events/floods.js';
import { openNamespaces } from '../../src/transport/namespaces.js';
import { closeServer, listen } from '../../src/transport/server/listen.js';
import { attach, createSocketServer } from '../../src/transport/socket-server.js';
import { openRaw } from './hostile/raw-connection.js';

test('an old client in the root namespace, which is not enabled, neither receives broadcasts nor sends events', async () => {
  const config = readConfig({ ALLOW_EIO3: 'true', PORT: '0', HOST: '127.0.0.1' });
  const metrics = createMetrics();
  const logger = createLogger({ level: 'silent', isPretty: false });
  const platform = { clock: systemClock, logger, traffic: new Traffic(systemClock) };
  const io = createSocketServer(config, { adapter: undefined, clock: systemClock });
  const frameGate = createFrameGate({ openMaxBytes: 1024, generalMaxBytes: 1024 });
  const floodBrake = createFloods({ clock: systemClock, logger, metrics });
  const connectDeadline = createConnectDeadline({ timeoutMs: 60_000, metrics, ...platform });
  const connectionBounds = createConnectionBounds({
    peers: noPeers,
    nodeMax: 0,
    addressMax: undefined,
    idleMax: 10,
    trustedProxies: 0,
    metrics,
    logger: platform.logger,
  });
  const isDraining = () => false;
  const admission = createAdmission({ perSecond: 0, clock: systemClock, isDraining, metrics });
  const handshakes = createHandshakes({ admission, connectionBounds, isDraining, logger });
  const noticed: string[] = [];
  openNamespaces(io, [], {
    ...platform,
    metrics,
    dispatch: async (_socket, [name]) => void noticed.push(String(name)),
    listeners: [{ connected: () => noticed.push('connected'), disconnected: () => noticed.push('disconnected') }],
    trustedProxies: 0,
    frameGate,
    floodBrake,
    connectLimits: createConnectLimits({ refusedOfAddressMax: 0, peers: noPeers, clock: systemClock }),
    connectDeadline,
    handshakes,
  });
  const server = createServer();
  const connections = { frameGate, floodBrake, connectDeadline, connectionBounds, handshakes };
  attach(io, server, {
    config,
    metrics,
    ...platform,
    ...connections,
    allowsOrigin: () => true,
    isDraining,
  });
  const port = await listen(server, config.http);
  onTestFinished(async () => {
    await io.close();
    await closeServer(server);
  });

  const url = `http://127.0.0.1:${port}`;
  const old = await openRaw({ url }, 'EIO=3');
  expect(await old.next()).toBe('40');
  old.send('42["join",{}]');
  io.emit('m' as never);
  io.to([...io.sockets.sockets.keys()]).emit('m' as never);
  // The client's own ping is answered after whatever was sent before.
  old.send('2');
  expect(await old.next()).toBe('3');
  old.close();
  await old.closed;

  const current = await openRaw({ url });
  const refused = '{"message":"NOT_FOUND","data":{"errno":404,"message":"NOT_FOUND"}}';
  current.send('40');
  expect(await current.next()).toBe(`44${refused}`);
  // A namespace that does not exist is refused in the same words, and is not made.
  for (let index = 0; index < 100; index += 1) current.send(`40/none/${index},`);
  for (let index = 0; index < 100; index += 1) expect(await current.next()).toBe(`44/none/${index},${refused}`);
  expect([...io._nsps.keys()]).toEqual(['/']);
  current.close();
  expect(noticed).toEqual([]);
});
