/** Typed client of the gateway for browsers and Node.js. `README.md` says how to use it. */
export {
  type CommunityMessage,
  type CommunityRest,
  communityTimeline,
  type ProspectMessage,
  prospectTimeline,
  type SupportMessage,
  supportConversations,
  supportTimeline,
  type TeamMessage,
  type TeamTimeline,
  teamConversations,
  teamTimeline,
  walk,
} from './chats.js';
export {
  type ClientOptions,
  type ClientStatus,
  type ConnectOptions,
  type ConnectSiteOptions,
  connect,
  connectSite,
  eventsOf,
  type GatewayClient,
  type TokenSource,
} from './client.js';
export type { ClientClock } from './clock.js';
export type { ConnectionState } from './connection.js';
export { GatewayClientError, type GatewayErrorCode, type GatewayErrorDetail } from './error.js';
export type { MessageCounters } from './inbox.js';
export type { ClientStorage } from './storage.js';
export { createTimeline, type Page, type Timeline, type TimelineSource } from './timeline.js';
export type { AnyNamespace, ApplicationEvents, EmitAnswer, EmitArgs, EmitName, NamespaceName } from './types.js';
