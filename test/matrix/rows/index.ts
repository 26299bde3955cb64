import type { EventRow, RouteRow, Row } from '../kinds.js';
import type { Operation } from '../operations.js';
import { communityRows, notificationRows, peopleRows } from './community.js';
import { conversationRows, prospectRows } from './conversation.js';
import {
  administrationRows,
  clusterRows,
  consoleRows,
  emitApiRows,
  inspectionRows,
  leadFinderRows,
  operationRows,
  pushSiteRows,
  sessionRows,
  sharedRows,
  siteStatusRows,
} from './platform.js';
import { supportRows } from './support.js';

/** The rows of one contract, and the file where they are. */
export interface Rows {
  readonly file: string;
  readonly rows: {
    readonly events: Readonly<Record<string, EventRow>>;
    readonly routes: Readonly<Record<string, RouteRow>>;
  };
}

/** The rows of all contracts with events or routes, by the name of the contract. */
export const rowsByContract: Readonly<Record<string, Rows>> = {
  session: { file: 'platform.ts', rows: sessionRows },
  community: { file: 'community.ts', rows: communityRows },
  'community-notifications': { file: 'community.ts', rows: notificationRows },
  'community-people': { file: 'community.ts', rows: peopleRows },
  support: { file: 'support.ts', rows: supportRows },
  conversation: { file: 'conversation.ts', rows: conversationRows },
  prospect: { file: 'conversation.ts', rows: prospectRows },
  'lead-finder': { file: 'platform.ts', rows: leadFinderRows },
  'shared-events': { file: 'platform.ts', rows: sharedRows },
  'emit-api': { file: 'platform.ts', rows: emitApiRows },
  administration: { file: 'platform.ts', rows: administrationRows },
  cluster: { file: 'platform.ts', rows: clusterRows },
  'site-status': { file: 'platform.ts', rows: siteStatusRows },
  console: { file: 'platform.ts', rows: consoleRows },
  inspection: { file: 'platform.ts', rows: inspectionRows },
  'push-sites': { file: 'platform.ts', rows: pushSiteRows },
  operation: { file: 'platform.ts', rows: operationRows },
};

/** The row of an event or a route. A connect has none: `connectOutcomes` says everything about it. */
export function rowOf(operation: Operation): Row | undefined {
  if (operation.kind === 'connect') return undefined;
  const rows = rowsByContract[operation.contract.name]?.rows;
  return operation.kind === 'event' ? rows?.events[operation.name] : rows?.routes[operation.name];
}
