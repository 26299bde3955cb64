import type { z } from 'zod';
import { chats } from './chats.js';
import { community } from './community.js';
import { communityNotifications, communityPeople } from './community-people.js';
import { connection, delivery, endings, failures } from './connection.js';
import type { Contract } from './contract.js';
import { conversation } from './conversation.js';
import { emitApi } from './emit-api.js';
import { leadFinder } from './lead-finder.js';
import { operations } from './operations.js';
import { prospect } from './prospect.js';
import { pushSites, siteHandshake } from './push-sites.js';
import { session, userHandshake } from './session.js';
import { sharedEvents } from './shared-events.js';
import { department, departmentQuery, support } from './support.js';
import { chatWording, generalWording, siteWording, type Wording } from './wording.js';

/** Version of the wire: the first number rises when a client that was right before would be wrong. */
export const wireVersion = '1.0.0';

/** A namespace as a client sees it. */
export interface PublishedNamespace {
  readonly summary: string;
  /** Scopes of which the token needs one; `undefined`: nobody is asked for a token. */
  readonly scopes?: readonly string[];
  readonly wording: Wording;
  /** What a client says of itself when it connects: in `auth`, and in the query. */
  readonly handshake?: { readonly auth?: z.ZodType; readonly query?: z.ZodType };
  /** What stands in the places of its name that are in braces. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** A contract and where it is spoken. */
export interface PublishedContract {
  readonly contract: Contract;
  /** Empty for one that is REST alone. */
  readonly namespaces: readonly PublishedName[];
}

/** A namespace, or the form of the names of several. */
export type PublishedName = keyof typeof publishedNamespaces | keyof typeof configuredNamespaces;

/** What those namespaces have in common that know the platform's users. */
const ofUsers = { scopes: ['conversation'], wording: generalWording, handshake: userHandshake } as const;

/** Every namespace that can be entered, whatever the settings. */
export const publishedNamespaces = {
  '/v1/conversation': { summary: 'The conversations of a team.', ...ofUsers },
  '/v1/conversation/live': { summary: 'The same, for the live chat.', ...ofUsers },
  '/v1/shared': { summary: 'The events of the platform.', ...ofUsers },
  '/v1/lead-finder': { summary: 'The progress of scrapers.', wording: generalWording },
  '/department': {
    summary: 'A department of the support chat, named in the query, for its members.',
    scopes: [],
    wording: chatWording,
    handshake: { ...userHandshake, query: userHandshake.query.extend(departmentQuery.shape) },
  },
  '/': {
    summary: 'The support chat and the community chat, for users who may enter and for visitors.',
    scopes: [],
    wording: chatWording,
    handshake: userHandshake,
  },
} as const satisfies Record<string, PublishedNamespace>;

/** Namespaces that come with the settings. */
export const configuredNamespaces = {
  '/{site}': {
    summary: 'A push site, for clients whom its own website lets in.',
    wording: siteWording,
    handshake: siteHandshake,
    parameters: { site: 'The name of the site, as the gateway was configured.' },
  },
} as const satisfies Record<string, PublishedNamespace>;

const conversationNamespaces = ['/v1/conversation', '/v1/conversation/live'] as const;
const userNamespaces = [...conversationNamespaces, '/v1/shared'] as const;
const chatNamespaces = ['/', '/department'] as const;

/** Everything the gateway says and understands; OpenAPI and AsyncAPI are made from it. */
export const publishedContracts: readonly PublishedContract[] = [
  { contract: connection, namespaces: [...userNamespaces, ...chatNamespaces, '/v1/lead-finder', '/{site}'] },
  { contract: endings, namespaces: [...userNamespaces, ...chatNamespaces] },
  { contract: failures, namespaces: [...userNamespaces, '/v1/lead-finder', '/{site}'] },
  { contract: delivery, namespaces: [...userNamespaces, '/{site}'] },
  { contract: session, namespaces: [...userNamespaces, ...chatNamespaces] },
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
  { contract: emitApi, namespaces: userNamespaces },
  { contract: pushSites, namespaces: ['/{site}'] },
  { contract: operations, namespaces: [] },
];
