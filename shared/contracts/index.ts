import type { z } from 'zod';
import { administration } from './administration.js';
import { chats } from './chats.js';
import { cluster } from './cluster.js';
import { community } from './community.js';
import { communityNotifications, communityPeople } from './community-people.js';
import { connection, delivery, endings, failures } from './connection.js';
import { consoleApi } from './console.js';
import type { Contract } from './contract.js';
import { conversation } from './conversation.js';
import { emitApi } from './emit-api.js';
import {
  administrationExamples,
  emitApiExamples,
  leadFinderExamples,
  operationsExamples,
  pushSitesExamples,
} from './examples/backends.js';
import { chatsExamples } from './examples/chats.js';
import { communityExamples, communityNotificationsExamples, communityPeopleExamples } from './examples/community.js';
import {
  connectionExamples,
  deliveryExamples,
  endingsExamples,
  failuresExamples,
  sessionExamples,
  sharedEventsExamples,
} from './examples/connection.js';
import { clusterExamples, consoleExamples, siteStatusExamples } from './examples/console.js';
import { conversationExamples } from './examples/conversation.js';
import type { ContractExamples } from './examples/example.js';
import { inspectionExamples } from './examples/inspection.js';
import { prospectExamples } from './examples/prospect.js';
import { departmentExamples, supportExamples } from './examples/support.js';
import { inspection } from './inspection.js';
import { leadFinder } from './lead-finder.js';
import { chatNamespace, conversationNamespaces, departmentNamespace, sharedNamespace } from './namespaces.js';
import { operations } from './operations.js';
import { prospect } from './prospect.js';
import { pushSites, siteHandshake } from './push-sites.js';
import { chatReplies, generalReplies, type ReplySchemas, siteReplies } from './reply-schemas.js';
import { session, userHandshake } from './session.js';
import { sharedEvents } from './shared-events.js';
import { siteStatus } from './site-status.js';
import { department, departmentQuery, support } from './support.js';

export { catalogue, type ErrorCode, remedies } from './errors.js';

/** Version of the wire: the first number rises when a client that was right before would be wrong. */
export const wireVersion = '1.0.0';

/** A namespace as a client sees it. */
export interface PublishedNamespace {
  readonly summary: string;
  /** Scopes of which the token needs one; `undefined`: no authentication. */
  readonly scopes?: readonly string[];
  readonly replies: ReplySchemas;
  /** Handshake fields: `auth` and query. */
  readonly handshake?: { readonly auth?: z.ZodType; readonly query?: z.ZodObject };
  /** The parameters of its name, in braces. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** A contract and its namespaces. */
export interface PublishedContract {
  readonly contract: Contract;
  readonly examples: ContractExamples;
  /** Empty for REST only. */
  readonly namespaces: readonly PublishedName[];
}

/** A namespace, or a pattern for several. */
export type PublishedName = keyof typeof publishedNamespaces | keyof typeof configuredNamespaces;

/** Common to the namespaces of platform users. */
const ofUsers = { scopes: ['conversation'], replies: generalReplies, handshake: userHandshake } as const;

/** Namespaces that exist independent of the settings. */
export const publishedNamespaces = {
  '/v1/conversation': { summary: 'The conversations of a team.', ...ofUsers },
  '/v1/conversation/live': { summary: 'The same, for the live chat.', ...ofUsers },
  '/v1/shared': { summary: 'The events of the platform.', ...ofUsers },
  '/v1/lead-finder': { summary: 'The progress of scrapers.', replies: generalReplies },
  '/department': {
    summary: 'A department of the support chat, named in the query, for its members.',
    scopes: [],
    replies: chatReplies,
    handshake: { ...userHandshake, query: userHandshake.query.extend(departmentQuery.shape) },
  },
  '/': {
    summary: 'The support chat and the community chat, for authorized users and for visitors.',
    scopes: [],
    replies: chatReplies,
    handshake: userHandshake,
  },
} as const satisfies Record<string, PublishedNamespace>;

/** Namespaces that the settings define. */
export const configuredNamespaces = {
  '/{site}': {
    summary: 'A push site, for clients that its own website authenticates.',
    replies: siteReplies,
    handshake: siteHandshake,
    parameters: { site: 'The name of the site, as the gateway was configured.' },
  },
} as const satisfies Record<string, PublishedNamespace>;

const userNamespaces = [...conversationNamespaces, sharedNamespace] as const;
const chatNamespaces = [chatNamespace, departmentNamespace] as const;

const wire = [
  {
    contract: connection,
    examples: connectionExamples,
    namespaces: [...userNamespaces, ...chatNamespaces, '/v1/lead-finder', '/{site}'],
  },
  { contract: endings, examples: endingsExamples, namespaces: [...userNamespaces, ...chatNamespaces] },
  { contract: failures, examples: failuresExamples, namespaces: [...userNamespaces, '/v1/lead-finder', '/{site}'] },
  { contract: delivery, examples: deliveryExamples, namespaces: [...userNamespaces, '/{site}'] },
  { contract: session, examples: sessionExamples, namespaces: [...userNamespaces, ...chatNamespaces] },
  { contract: chats, examples: chatsExamples, namespaces: ['/'] },
  { contract: community, examples: communityExamples, namespaces: ['/'] },
  { contract: communityNotifications, examples: communityNotificationsExamples, namespaces: ['/'] },
  { contract: communityPeople, examples: communityPeopleExamples, namespaces: ['/'] },
  { contract: support, examples: supportExamples, namespaces: ['/'] },
  { contract: department, examples: departmentExamples, namespaces: ['/department'] },
  { contract: conversation, examples: conversationExamples, namespaces: conversationNamespaces },
  { contract: prospect, examples: prospectExamples, namespaces: conversationNamespaces },
  { contract: leadFinder, examples: leadFinderExamples, namespaces: ['/v1/lead-finder'] },
  { contract: sharedEvents, examples: sharedEventsExamples, namespaces: ['/v1/shared'] },
  { contract: emitApi, examples: emitApiExamples, namespaces: userNamespaces },
  { contract: administration, examples: administrationExamples, namespaces: [] },
  { contract: cluster, examples: clusterExamples, namespaces: [] },
  { contract: siteStatus, examples: siteStatusExamples, namespaces: [] },
  { contract: consoleApi, examples: consoleExamples, namespaces: [] },
  { contract: inspection, examples: inspectionExamples, namespaces: [] },
  { contract: pushSites, examples: pushSitesExamples, namespaces: ['/{site}'] },
  { contract: operations, examples: operationsExamples, namespaces: [] },
] as const satisfies readonly PublishedContract[];

/** The complete wire interface; the OpenAPI and AsyncAPI documents are generated from it. */
export const publishedContracts: readonly PublishedContract[] = wire;

/** The same as types, from which those of the clients are inferred. */
export type Wire = (typeof wire)[number];
