import { administration } from '../administration.js';
import { emitApi } from '../emit-api.js';
import { leadFinder } from '../lead-finder.js';
import { operations } from '../operations.js';
import { pushSites } from '../push-sites.js';
import { defineExamples } from './example.js';
import { ACCOUNT, ADA, BEN, DEVICE } from './values.js';

const EMIT = '6ae9a99893b0977115a2dbbd';
const SENT_AT = '2026-11-03T09:30:00.117Z';
const ACKNOWLEDGED_AT = '2026-11-03T09:30:00.309Z';
const SCRAPER = 'run_7Qw2Lx9ZpT4v';
const lead = { title: 'New Lead', message: 'Wendy Winter asked for an offer.' };

export const emitApiExamples = defineExamples(emitApi, {
  relayed: { event: 'notification', payload: lead },
  routes: {
    emit: {
      params: { userId: ADA, event: 'notification' },
      query: { durable: 'true', ttl: '86400' },
      headers: { 'idempotency-key': 'lead-4711' },
      body: lead,
      answer: { sockets: 2, id: EMIT, state: 'sent' },
    },
    emitStatus: {
      params: { id: EMIT },
      answer: {
        id: EMIT,
        userId: ADA,
        event: 'notification',
        state: 'acked',
        createdAt: SENT_AT,
        devices: [{ deviceId: DEVICE, state: 'acked', at: ACKNOWLEDGED_AT }],
      },
    },
    emitBatch: {
      body: {
        items: [
          { userId: ADA, event: 'notification', payload: lead, durable: true, idempotencyKey: 'lead-4711' },
          { userId: BEN, event: 'notification', payload: lead, ttl: 60 },
        ],
      },
      answer: {
        items: [
          { success: true, message: 'SUCCESS', data: { sockets: 2, id: EMIT, state: 'sent' } },
          {
            success: false,
            errno: 400,
            message: 'VALIDATION_ERROR',
            details: [{ path: 'ttl', message: 'needs durable=true' }],
          },
        ],
      },
    },
    broadcast: {
      params: { event: 'maintenance' },
      query: { namespace: '*', account: ACCOUNT },
      body: { startsAt: '2026-11-07T22:00:00Z', minutes: 20 },
      answer: { sockets: 48 },
    },
    disconnect: {
      params: { userId: ADA },
      body: { reason: 'signed out by an administrator', block_seconds: 900 },
    },
    revokeTokens: { body: { userId: ADA, issued_before: '2026-11-03T09:00:00Z', keep_seconds: 86_400 } },
    presence: {
      params: { userId: ADA },
      answer: { userId: ADA, online: true, connections: 2, since: '2026-11-03T08:02:11.640Z' },
    },
    deliveries: {
      params: { userId: ADA },
      query: { event: 'notification', state: 'acked', since: '2026-11-03T00:00:00Z', limit: '20' },
      answer: {
        messages: [
          {
            id: EMIT,
            event: 'notification',
            namespace: '/v1/shared',
            createdAt: SENT_AT,
            requestId: '5b0f3c6e-6f0a-4f57-9d0a-3c2f6a1f8a10',
            state: 'acked',
            devices: [{ deviceId: DEVICE, state: 'acked', at: ACKNOWLEDGED_AT, reason: 'ACKNOWLEDGED' }],
          },
        ],
        devices: [
          {
            deviceId: DEVICE,
            isConnected: true,
            namespaces: ['/v1/shared', '/v1/conversation'],
            seenAt: '2026-11-03T09:31:07.500Z',
            waiting: 0,
            oldestAt: null,
          },
        ],
        next: null,
        keptForMs: 3_600_000,
      },
    },
    presences: {
      body: { userIds: [ADA, BEN] },
      answer: {
        users: [
          { userId: ADA, online: true, connections: 2, since: '2026-11-03T08:02:11.640Z' },
          { userId: BEN, online: false, connections: 0, since: null },
        ],
      },
    },
  },
});

const NODE = '2f7f9c5e-6a8d-4c1b-9d55-0f3a7c1e8b42';
const CONNECTED_AT = '2026-11-03T08:02:11.640Z';
const socket = { socketId: 'mXq3c0f1T2w5AAAB', node: NODE, deviceId: DEVICE, connectedAt: CONNECTED_AT };

export const administrationExamples = defineExamples(administration, {
  routes: {
    block: { params: { userId: ADA }, body: { seconds: 900 }, answer: { blockedUntil: '2026-11-03T09:45:00.000Z' } },
    unblock: { params: { userId: ADA }, answer: { wasBlocked: true } },
    blockOf: { params: { userId: ADA }, answer: { blockedUntil: '2026-11-03T09:45:00.000Z' } },
    connections: {
      params: { userId: ADA },
      query: { limit: '20' },
      answer: { connections: [{ ...socket, namespace: '/v1/shared' }], next: null },
    },
    devices: {
      params: { userId: ADA },
      answer: {
        devices: [
          {
            deviceId: DEVICE,
            isConnected: true,
            namespaces: ['/v1/shared'],
            seenAt: '2026-11-03T09:31:07.500Z',
            waiting: 0,
            oldestAt: null,
          },
        ],
      },
    },
    forgetDevice: { params: { userId: ADA, deviceId: DEVICE } },
    clearDevice: { params: { userId: ADA, deviceId: DEVICE }, answer: { cleared: 12 } },
    forgetAnyDevice: { params: { userId: ADA }, query: { deviceId: DEVICE } },
    clearAnyDevice: { params: { userId: ADA }, query: { deviceId: DEVICE }, answer: { cleared: 12 } },
    nodes: {
      answer: { nodes: [{ id: NODE, name: 'gateway-1', version: '1.0.0', connections: 1204, isDraining: false }] },
    },
    nodeConnections: {
      params: { nodeId: NODE },
      query: { limit: '20', after: 'mXq3c0f1T2w5AAAA' },
      answer: {
        connections: [{ ...socket, namespace: '/v1/shared', kind: 'user', userId: ADA }],
        next: null,
      },
    },
    drainNode: { params: { nodeId: NODE }, answer: { connections: 1204 } },
  },
});

const progress = { found: 42, pages: 7, isDone: false };

export const leadFinderExamples = defineExamples(leadFinder, {
  clientEvents: {
    join: { payload: { scraper_id: SCRAPER } },
    leave: { payload: { scraper_id: SCRAPER } },
  },
  relayed: { event: 'progress', payload: progress },
  routes: {
    emit: { params: { scraperId: SCRAPER, event: 'progress' }, body: progress, answer: { sockets: 1 } },
  },
});

const update = ['user', { id: 12_345, name: 'Wendy Winter' }];

export const pushSitesExamples = defineExamples(pushSites, {
  serverEvents: {
    _settings: { payload: { device_ttl: 3600 } },
    disconnected: { payload: { reason: 'QUOTA_EXCEEDED' } },
  },
  relayed: { event: 'update_store', payload: update },
  routes: {
    send: {
      query: { site: 'newsite', resync: 'true' },
      body: { rooms: ['user_12345', 'staff'], event: 'update_store', args: update },
    },
  },
});

const METRICS = `# HELP gateway_emits_total Events emitted, by namespace.
# TYPE gateway_emits_total counter
gateway_emits_total{namespace="/v1/shared"} 1042
`;
const TAIL = `{"at":"2026-11-21T15:52:04.434Z","from":"gateway","namespace":"/v1/shared","event":"notification","userId":"64abc123def","sockets":2,"bytes":54}
`;
const info = { title: 'General Socket', version: '1.0.0' };

export const operationsExamples = defineExamples(operations, {
  routes: {
    status: {},
    healthcheck: {},
    live: { answer: { version: '1.0.0', wire: '1.0.0' } },
    ready: {
      query: { exclude: 'mongo,redis' },
      failures: {
        503: { success: false, errno: 503, message: 'UNAVAILABLE', missing: ['redis'] },
      },
    },
    metrics: { sends: METRICS },
    openApi: { sends: { openapi: '3.1.1', info, paths: {} } },
    tail: { query: { user: '64abc123def', namespace: '/v1/shared' }, sends: TAIL },
    docs: { sends: '<!doctype html>\n<html lang="en">' },
    asyncApi: { sends: { asyncapi: '3.0.0', info, channels: {}, operations: {} } },
  },
});
