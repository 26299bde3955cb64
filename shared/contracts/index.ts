import { chats } from './chats.js';
import { community } from './community.js';
import { communityNotifications, communityPeople } from './community-people.js';
import type { Contract } from './contract.js';
import { conversation } from './conversation.js';
import { emitApi } from './emit-api.js';
import { leadFinder } from './lead-finder.js';
import { prospect } from './prospect.js';
import { pushSites } from './push-sites.js';
import { session } from './session.js';
import { sharedEvents } from './shared-events.js';
import { department, support } from './support.js';

/** Version of the wire: the first number rises when a client that was right before would be wrong. */
export const wireVersion = '1.0.0';

/** A namespace as a client sees it. */
export interface PublishedNamespace {
  readonly summary: string;
  /** Scopes of which the token needs one; `undefined`: nobody is asked for a token. */
  readonly scopes?: readonly string[];
}

/** A contract and where it is spoken. */
export interface PublishedContract {
  readonly contract: Contract;
  /** Empty for one that is REST alone. */
  readonly namespaces: readonly (keyof typeof publishedNamespaces)[];
}

/** Every namespace that can be entered. */
export const publishedNamespaces = {
  '/v1/conversation': { summary: 'The conversations of a team.', scopes: ['conversation'] },
  '/v1/conversation/live': { summary: 'The same, for the live chat.', scopes: ['conversation'] },
  '/v1/shared': {
    summary: 'The events of the platform. Beside those listed, whatever a backend emits arrives here by its own name.',
    scopes: ['conversation'],
  },
  '/v1/lead-finder': {
    summary: 'The progress of scrapers. Beside those listed, whatever a backend emits arrives here by its own name.',
  },
  '/department': { summary: 'A department of the support chat, named in the query, for its members.', scopes: [] },
  '/': { summary: 'The support chat and the community chat, for users who may enter and for visitors.', scopes: [] },
} as const satisfies Record<string, PublishedNamespace>;

const conversationNamespaces = ['/v1/conversation', '/v1/conversation/live'] as const;

/** Everything the gateway says and understands; OpenAPI and AsyncAPI are made from it. */
export const publishedContracts: readonly PublishedContract[] = [
  { contract: session, namespaces: [...conversationNamespaces, '/v1/shared', '/', '/department'] },
  { contract: chats, namespaces: ['/'] },
  { contract: community, namespaces: ['/'] },
  { contract: communityNotifications, namespaces: ['/'] },
  { contract: communityPeople, namespaces: ['/'] },
  { contract: support, namespaces: ['/'] },
  { contract: department, namespaces: ['/department'] },
  { contract: conversation, namespaces: conversationNamespaces },
  { contract: prospect, namespaces: conversationNamespaces },
  { contract: leadFinder, namespaces: ['/v1/lead-finder'] },
  { contract: sharedEvents, namespaces: ['/v1/shared'] },
  { contract: emitApi, namespaces: [] },
  { contract: pushSites, namespaces: [] },
];
