/** Typed client of the gateway for browsers and Node.js. `README.md` says how to use it. */

export { type CommunityChat, communityList, type SupportConversation, supportList } from './chat-lists.js';
export {
  type ProspectMessage,
  prospectTimeline,
  type SupportMessage,
  supportTimeline,
  type TeamMessage,
  type TeamTimeline,
  teamTimeline,
} from './chats.js';
export { connect, connectSite, eventsOf } from './client.js';
export type { ClientClock } from './clock.js';
export { type CommunityMessage, type CommunityRest, communityTimeline } from './community.js';
export type { ConnectionState } from './connection.js';
export { GatewayClientError, type GatewayErrorCode, type GatewayErrorDetail } from './error.js';
export type { ClientStatus, GatewayClient } from './gateway-client.js';
export type { MessageCounters } from './inbox.js';
export { createList, type ListSource, type LiveList } from './list.js';
export type { ClientOptions, ConnectOptions, ConnectSiteOptions, TokenSource } from './options.js';
export type { ClientStorage } from './storage.js';
export {
  type ProspectConversation,
  prospectList,
  type TeamConversation,
  type TeamList,
  teamList,
} from './team-lists.js';
export { createTimeline, type Page, type Timeline, type TimelineSource } from './timeline.js';
export type { AnyNamespace, ApplicationEvents, EmitAnswer, EmitArgs, EmitName, NamespaceName } from './types.js';
export { supportConversations, teamConversations, walk } from './walk.js';
