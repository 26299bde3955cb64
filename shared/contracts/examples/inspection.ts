import type { z } from 'zod';
import { inspection } from '../inspection.js';
import { defineExamples } from './example.js';
import { ACCOUNT, ADA, DEVICE } from './values.js';

const NODE = '2f7f9c5e-6a8d-4c1b-9d55-0f3a7c1e8b42';
const ID = '6ae9a99893b0977115a2dbbd';
const ACCEPTED_AT = '2026-11-03T09:30:00.117Z';
const ACKNOWLEDGED_AT = '2026-11-03T09:30:00.309Z';
const ada = { id: ADA, name: 'Ada Archer', accountId: ACCOUNT, isOnline: true };

const LIVE = `{"at":"2026-11-03T09:30:00.117Z","node":"${NODE}","kind":"event","namespace":"/v1/shared","event":"join","userId":"${ADA}","code":"SUCCESS","sockets":1,"bytes":2}
`;

const message: z.input<(typeof inspection)['routes']['message']['answer']> = {
  id: ID,
  site: null,
  userId: ADA,
  namespace: '/v1/shared',
  event: 'notification',
  isDurable: true,
  state: 'acked',
  acceptedAt: ACCEPTED_AT,
  node: NODE,
  key: 'sha256:1b4f0e98',
  requestId: '5b0f3c6e-6f0a-4f57-9d0a-3c2f6a1f8a10',
  expiresAt: '2026-11-04T09:30:00.117Z',
  push: { state: 'over', dueAt: null, attempts: null, pushedAt: null },
  devices: [
    {
      deviceId: DEVICE,
      state: 'acked',
      at: ACKNOWLEDGED_AT,
      reason: 'ACKNOWLEDGED',
      sentAt: null,
      acknowledgedAt: ACKNOWLEDGED_AT,
    },
  ],
  steps: [
    { at: ACCEPTED_AT, what: 'accepted', detail: NODE },
    { at: ACKNOWLEDGED_AT, what: 'acknowledged', deviceId: DEVICE },
  ],
};

export const inspectionExamples = defineExamples(inspection, {
  routes: {
    users: { query: { search: 'ada' }, answer: { users: [ada], hasMore: false, isByName: true } },
    user: {
      params: { userId: ADA },
      answer: {
        ...ada,
        blockedUntil: null,
        connections: 1,
        sockets: [
          {
            socketId: 'mXq3c0f1T2w5AAAB',
            node: NODE,
            namespace: '/v1/shared',
            deviceId: DEVICE,
            connectedAt: '2026-11-03T08:02:11.640Z',
            address: '203.0.113.7',
            client: { transport: 'websocket', userAgent: 'Mozilla/5.0 (X11; Linux x86_64)' },
            tokenExpiresAt: '2026-11-03T20:02:11.000Z',
          },
        ],
        devices: [
          {
            deviceId: DEVICE,
            isConnected: true,
            namespaces: ['/v1/shared'],
            seenAt: '2026-11-03T09:31:07.500Z',
            waiting: 2,
            oldestAt: '2026-11-03T09:31:02.044Z',
          },
        ],
        counters: {
          stored: { open: 4, unread: 1, closed: 2, priority: 0, snoozed: 0 },
          recount: { open: 4, unread: 1, closed: 2, priority: 0, snoozed: 0 },
        },
      },
    },
    messages: { query: { idempotencyKey: 'lead-4711' }, answer: message },
    message: { params: { id: ID }, answer: message },
    live: {
      query: { user: ADA, namespace: '/v1/shared', event: 'join', code: 'SUCCESS', node: NODE, kinds: 'event,refusal' },
      sends: LIVE,
    },
  },
});
