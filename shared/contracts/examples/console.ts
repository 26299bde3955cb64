import { cluster } from '../cluster.js';
import { consoleApi } from '../console.js';
import { siteStatus } from '../site-status.js';
import { defineExamples } from './example.js';
import { ACCOUNT, ADA, TOKEN } from './values.js';

const NODE = '2f7f9c5e-6a8d-4c1b-9d55-0f3a7c1e8b42';
const LOST = '81c0a3de-7b1f-4e36-a0d4-5c9e2b7f6a13';
const opened = {
  access: 'act' as const,
  name: 'operators',
  isOpen: false,
  expiresAt: '2026-11-03T17:30:00.000Z',
  hasPayloads: false,
  isDevelopment: false,
  version: '1.0.0',
  node: 'gateway-1',
  nodeId: NODE,
};

export const consoleExamples = defineExamples(consoleApi, {
  routes: {
    session: { answer: opened },
    logIn: { body: { key: 'f1c2a9d07be84e3596ad' }, answer: opened },
    logOut: {},
    token: { body: { uid: ADA, scope: 'conversation', account_id: ACCOUNT }, answer: { token: TOKEN } },
  },
});

const silent = {
  name: null,
  version: null,
  startedAt: null,
  connections: null,
  connectionsByNamespace: null,
  eventsPerSecond: null,
  emitsPerSecond: null,
  eventLoopLagMs: null,
  memoryBytes: null,
  redis: null,
  mongo: null,
  isDraining: null,
  isReady: null,
};

export const clusterExamples = defineExamples(cluster, {
  routes: {
    overview: {
      answer: {
        nodes: [
          {
            id: NODE,
            name: 'gateway-1',
            version: '1.0.0',
            startedAt: '2026-11-02T21:14:55.020Z',
            connections: 1204,
            connectionsByNamespace: { '/v1/shared': 1190, '/news': 14 },
            eventsPerSecond: 41.2,
            emitsPerSecond: 87.5,
            eventLoopLagMs: 2.1,
            memoryBytes: 214_302_720,
            redis: 'up',
            mongo: 'up',
            isDraining: false,
            isReady: true,
          },
          { id: LOST, ...silent },
        ],
        totals: { connections: 1204, users: 988, eventsPerSecond: 41.2, emitsPerSecond: 87.5, waiting: 17 },
      },
    },
    history: {
      query: { steps: '3' },
      answer: {
        stepSeconds: 10,
        from: '2026-11-03T09:29:30.000Z',
        series: {
          'connections:/v1/shared': [null, 1188, 1190],
          events: [null, 39.8, 41.2],
          'errors:RATE_LIMITED': [null, 0, 0.3],
          eventP99Ms: [null, 11.7, 9.4],
        },
        missingNodes: [LOST],
      },
    },
  },
});

export const siteStatusExamples = defineExamples(siteStatus, {
  routes: {
    sites: {
      answer: {
        sites: [
          {
            name: 'newsite',
            namespace: '/newsite',
            connections: 14,
            waiting: 3,
            auth: {
              ok: 812,
              failed: 5,
              lastStatus: 200,
              lastAt: '2026-11-03T09:29:58.310Z',
              p50Ms: 21.4,
              p99Ms: 180.6,
            },
            userUpdates: [{ at: '2026-11-03T09:29:58.352Z', userId: '12345', kind: 'connected' }],
          },
        ],
        missingNodes: [],
      },
    },
  },
});
