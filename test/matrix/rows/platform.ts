import type { administration } from '#shared/contracts/administration.js';
import type { cluster } from '#shared/contracts/cluster.js';
import type { consoleApi } from '#shared/contracts/console.js';
import type { emitApi } from '#shared/contracts/emit-api.js';
import type { inspection } from '#shared/contracts/inspection.js';
import type { leadFinder } from '#shared/contracts/lead-finder.js';
import type { operations } from '#shared/contracts/operations.js';
import type { pushSites } from '#shared/contracts/push-sites.js';
import type { session } from '#shared/contracts/session.js';
import type { sharedEvents } from '#shared/contracts/shared-events.js';
import type { siteStatus } from '#shared/contracts/site-status.js';
import { type ContractRows, type Ids, kinds } from '../kinds.js';

const isOwn = { otherAccount: 'own', colleagues: 'own', peers: 'own' } as const;
const takesNoOther = {
  otherAccount: 'INVALID_TOKEN',
  colleagues: 'INVALID_TOKEN',
  peers: 'INVALID_TOKEN',
} as const;
const ofOwner = ({ owner }: Ids) => ({ params: { userId: owner } });

export const sessionRows: ContractRows<typeof session> = {
  events: {
    refresh_token: {
      args: ({ renewal }) => [{ token: renewal }],
      outcomes: { ...takesNoOther, visitor: 'INVALID_TOKEN' },
    },
  },
  routes: {},
};

export const sharedRows: ContractRows<typeof sharedEvents> = {
  events: { join: { args: () => [], outcomes: isOwn } },
  routes: {},
};

export const leadFinderRows: ContractRows<typeof leadFinder> = {
  events: {
    join: { args: ({ scraperId }) => [{ scraper_id: scraperId }] },
    leave: { args: ({ scraperId }) => [{ scraper_id: scraperId }] },
  },
  routes: {
    emit: { request: ({ scraperId }) => ({ params: { scraperId, event: 'progress' }, body: {} }) },
  },
};

export const emitApiRows: ContractRows<typeof emitApi> = {
  events: {},
  routes: {
    emit: { request: ({ owner }) => ({ params: { userId: owner, event: 'news' }, body: {} }) },
    emitStatus: { request: ({ emitId }) => ({ params: { id: emitId } }) },
    emitBatch: { request: ({ owner }) => ({ body: { items: [{ userId: owner, event: 'news' }] } }) },
    broadcast: {
      request: ({ accountId }) => ({ params: { event: 'news' }, query: { account: accountId }, body: {} }),
      heardBy: ['owner', 'bystander'],
    },
    disconnect: { request: () => ({ params: { userId: 'a user of no other call' }, body: { reason: 'bye' } }) },
    revokeTokens: { request: () => ({ body: { jti: 'a token of no other call' } }) },
    presence: { request: ofOwner },
    deliveries: { request: ofOwner },
    presences: { request: ({ owner }) => ({ body: { userIds: [owner] } }) },
  },
};

const ofNoOther = () => ({ params: { userId: 'a user of no other call' } });

const ofNoDevice = ({ owner }: Ids) => ({ params: { userId: owner, deviceId: 'no such device' } });

const ofUnnamedDevice = () => ({ ...ofNoOther(), query: { deviceId: '' } });

const ofNoNode = () => ({ params: { nodeId: 'no such node' } });

export const administrationRows: ContractRows<typeof administration> = {
  events: {},
  routes: {
    block: { request: () => ({ ...ofNoOther(), body: { seconds: 1 } }) },
    unblock: { request: ofNoOther },
    blockOf: { request: ofNoOther },
    connections: { request: ofOwner },
    devices: { request: ofOwner },
    forgetDevice: { request: ofNoDevice, outcomes: { member: 'NOT_FOUND' } },
    clearDevice: { request: ofNoDevice, outcomes: { member: 'NOT_FOUND' } },
    forgetAnyDevice: { request: ofUnnamedDevice, outcomes: { member: 'NOT_FOUND' } },
    clearAnyDevice: { request: ofUnnamedDevice, outcomes: { member: 'NOT_FOUND' } },
    nodes: {},
    // The nodes of the matrix must not be drained.
    nodeConnections: { request: ofNoNode, outcomes: { member: 'NOT_FOUND' } },
    drainNode: { request: ofNoNode, outcomes: { member: 'NOT_FOUND' } },
  },
};

export const clusterRows: ContractRows<typeof cluster> = { events: {}, routes: { overview: {}, history: {} } };

export const siteStatusRows: ContractRows<typeof siteStatus> = { events: {}, routes: { sites: {} } };

/** No caller of the matrix has a session; that of a console is in `test/integrations/console`. */
const ofNoPage = { outcomes: Object.fromEntries(kinds.map((kind) => [kind, 'FORBIDDEN'])) };

export const consoleRows: ContractRows<typeof consoleApi> = {
  events: {},
  routes: {
    session: {},
    logIn: { request: () => ({ body: { key: 'no key' } }), ...ofNoPage },
    logOut: ofNoPage,
    token: { request: ({ owner }) => ({ body: { uid: owner } }), outcomes: { member: 'INVALID_API_KEY' } },
  },
};

export const inspectionRows: ContractRows<typeof inspection> = {
  events: {},
  routes: {
    users: { request: ({ owner }) => ({ query: { search: owner } }) },
    user: { request: ofOwner },
    messages: { request: () => ({ query: { idempotencyKey: 'no such key' } }), outcomes: { member: 'NOT_FOUND' } },
    message: { request: ({ emitId }) => ({ params: { id: emitId } }) },
    live: {},
  },
};

export const pushSiteRows: ContractRows<typeof pushSites> = {
  events: {},
  routes: {
    send: {
      request: ({ site }) => ({ query: { site }, body: { rooms: 'hall', event: 'news', args: [] } }),
      heardBy: ['reader'],
    },
  },
};

export const operationRows: ContractRows<typeof operations> = {
  events: {},
  routes: {
    status: {},
    healthcheck: {},
    live: {},
    ready: {},
    metrics: {},
    openApi: {},
    asyncApi: {},
    tail: {},
    docs: {},
  },
};
