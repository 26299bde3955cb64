/** Severity of a line. `LOG_LEVEL` selects the lowest one that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** One kind of log line. */
interface LogEvent {
  readonly level: LogLevel;
  /** Constant text; what varies is in the fields of the line. */
  readonly message: string;
  /** Lines of one kind in each minute; 10 by default. Further ones are counted. */
  readonly lines?: number;
  /** Fields that distinguish kinds of this event. Their values may come from clients: the number of kinds is bounded. */
  readonly per?: readonly string[];
  /** `false`: the number of omitted lines is not logged. */
  readonly isCounted?: boolean;
}

/**
 * Every log line of the gateway by its code, the `event` of the line. Codes are stable: alerts and searches use them. The
 * logger takes only these messages, so a line without a code does not compile. The operations page explains each of them.
 */
export const logEvents = {
  // Life of a node
  starting: { level: 'info', message: 'starting' },
  listening: { level: 'info', message: 'listening' },
  draining: { level: 'info', message: 'draining' },
  drained: { level: 'info', message: 'drained' },
  stopped: { level: 'info', message: 'stopped' },
  start_failed: { level: 'fatal', message: 'the start failed' },
  crashed: { level: 'fatal', message: 'the process crashed' },
  setting_unknown: { level: 'warn', message: 'settings: unknown setting', lines: 100 },
  node_died: { level: 'info', message: 'a node died; sending again what it may not have sent' },
  node_death_failed: {
    level: 'warn',
    message: 'sending what a dead node may not have sent failed; retrying',
  },
  secrets_replaced: { level: 'info', message: 'settings: secrets replaced' },
  settings_refused: {
    level: 'error',
    message: 'settings: the change is invalid; the settings before it stay in force',
  },
  settings_wait: { level: 'warn', message: 'settings: changed settings need a restart' },
  shutdown_step_slow: { level: 'warn', message: 'a shutdown step is slow', per: ['step'] },
  shutdown_step_failed: { level: 'error', message: 'a shutdown step failed', per: ['step'] },
  single_node: { level: 'info', message: 'no REDIS_URL: this is the only node' },
  worker_serves: { level: 'info', message: 'worker: ready', lines: 300 },
  worker_ended: { level: 'error', message: 'worker: exited; restarting it' },
  workers_given_up: { level: 'fatal', message: 'worker: exits right after its start, repeatedly; giving up' },
  library_unsupported: {
    level: 'warn',
    message: 'libraries: a private part is missing; this version is not supported',
    lines: 100,
  },

  // Dependencies
  dependency_ready: { level: 'info', message: 'dependency ready', per: ['dependency'] },
  dependency_not_ready: { level: 'error', message: 'dependency not ready; retrying', per: ['dependency'] },
  dependency_lost: { level: 'error', message: 'dependency lost; retrying', per: ['dependency'] },
  dependency_back: { level: 'info', message: 'dependency back', per: ['dependency'] },
  database_not_ready: { level: 'warn', message: 'database: not ready; retrying' },
  clock_differs: { level: 'warn', message: 'the clock of this machine differs from that of the database' },
  clock_agrees: { level: 'info', message: 'the clock of this machine agrees with that of the database' },
  database_error: { level: 'error', message: 'database: connection error' },
  database_options_ignored: {
    level: 'warn',
    message: 'database: MONGODB_URL names options that the gateway decides itself',
  },
  indexes_failed: { level: 'warn', message: 'database: indexes of the gateway could not be created' },
  indexes_missing: {
    level: 'warn',
    message: 'database: these indexes are managed by the platform; npm run indexes -- --apply creates them',
  },
  indexes_built: { level: 'info', message: 'database: indexes built' },
  indexes_gone: { level: 'warn', message: 'database: indexes of the gateway are gone; creating them again' },
  index_lost: {
    level: 'error',
    message: 'database: an index is gone and cannot be created; messages may be lost',
  },
  index_build_failed: { level: 'error', message: 'database: building indexes failed; the next start retries' },
  embedded_database_warning: { level: 'warn', message: 'embedded database: warning' },
  embedded_database_failed: { level: 'error', message: 'embedded database: failed' },
  embedded_database_restarted: { level: 'info', message: 'embedded database: restarted' },
  storage_failed: { level: 'error', message: 'storage: writes fail; retrying' },
  storage_back: { level: 'info', message: 'storage: writes work again' },
  redis_database_shared: {
    level: 'warn',
    message:
      'redis: a database separates keys, not messages; an installation in another database needs another REDIS_PREFIX',
  },
  redis_evicts_keys: {
    level: 'warn',
    message: 'redis: when its memory is full, it removes keys of the gateway; set maxmemory-policy to noeviction',
  },
  bus_message_unreadable: { level: 'warn', message: 'redis: unreadable message on a channel' },
  adapter_request_unreadable: { level: 'warn', message: 'redis: unreadable request of the adapter' },
  bus_messages_lost: { level: 'warn', message: 'redis: messages did not reach every other node' },
  document_incomplete: { level: 'warn', message: 'a stored document is incomplete or has wrong types', lines: 1000 },

  // Access
  kicked: { level: 'info', message: 'a user was disconnected by a backend', lines: 600 },
  tokens_revoked: { level: 'info', message: 'tokens were revoked by a backend', lines: 600 },
  blocked: { level: 'info', message: 'a user was blocked by a backend', lines: 600 },
  unblocked: { level: 'info', message: 'the block of a user was ended by a backend', lines: 600 },
  device_forgotten: { level: 'info', message: 'a device was forgotten by a backend', lines: 600 },
  queue_cleared: { level: 'info', message: 'the queue of a device was cleared by a backend', lines: 600 },
  node_drained: { level: 'info', message: 'a node was drained by a backend' },
  console_session_began: { level: 'info', message: 'a session of the console began', lines: 600 },
  console_session_ended: { level: 'info', message: 'a session of the console was ended', lines: 600 },
  console_call: { level: 'info', message: 'a call was made in the console', lines: 600 },
  console_refused: { level: 'info', message: 'the console refused a call', per: ['key', 'reason'] },
  key_refused: { level: 'info', message: 'a call was refused: no valid API key', per: ['path', 'reason'] },
  connection_refused: {
    level: 'info',
    message: 'a connection was refused',
    lines: 1,
    per: ['namespace', 'reason', 'cause'],
  },
  namespace_unknown: { level: 'info', message: 'a connection was refused: there is no such namespace' },
  connection_refusal: { level: 'debug', message: 'why a connection was refused' },
  connection_failed: {
    level: 'error',
    message: 'a connection was refused because of a failure',
    per: ['namespace'],
  },
  claims_refused: {
    level: 'warn',
    message: 'a correctly signed token was refused because of its claims',
    per: ['namespace'],
  },
  origin_refused: { level: 'warn', message: 'a browser was refused: the origin of its page is not in CORS_ORIGINS' },
  transport_refused: {
    level: 'warn',
    message: 'a client was refused: it tried a transport that is not among SOCKET_TRANSPORTS',
  },
  session_unknown: {
    level: 'info',
    message: 'a request of a polling client was refused: its connection is not on this node',
  },
  protocol_refused: {
    level: 'warn',
    message: 'a client was refused: it uses the protocol of Socket.IO 2, which ALLOW_EIO3 enables',
  },
  path_refused: { level: 'warn', message: 'a client was refused: its path is not that of Socket.IO' },
  jwks_failed: { level: 'warn', message: 'tokens: the JWKS could not be loaded' },
  revocations_poll_failed: { level: 'warn', message: 'revocations: polling failed; retrying' },
  lock_check_failed: { level: 'warn', message: 'users: checking connected users for locks failed; retrying' },
  lock_lookup_failed: { level: 'warn', message: 'users: looking up whether a user is locked failed' },
  access_check_failed: { level: 'warn', message: 'chats: checking connected users failed; retrying' },
  members_check_failed: { level: 'warn', message: 'support: checking members failed; retrying' },

  // Limits
  rate_limit_reached: {
    level: 'info',
    message: 'rate limit reached',
    lines: 1,
    per: ['limit', 'caller'],
    isCounted: false,
  },
  flood: {
    level: 'warn',
    message: 'a caller floods the gateway: its connections are read slowly',
    lines: 1,
    per: ['caller'],
    isCounted: false,
  },
  slow_client_closed: { level: 'info', message: 'a slow client was closed' },
  node_limit_reached: {
    level: 'warn',
    message: 'a connection was refused: there are CONNECTIONS_MAX on this node',
    lines: 1,
  },
  address_limit_reached: {
    level: 'warn',
    message: 'a connection was refused: its address has ADDRESS_CONNECTIONS_MAX on this node',
    lines: 1,
  },
  admission_refused: {
    level: 'warn',
    message: 'a connection was refused: more clients connect than the node admits',
    lines: 1,
  },
  connection_unused: {
    level: 'warn',
    message: 'a connection was closed: it has entered no namespace for CONNECT_TIMEOUT_MS',
  },
  message_unfinished: {
    level: 'warn',
    message: 'a connection was closed: a message was not completed in time, or held too much memory',
  },
  first_frame_too_large: {
    level: 'warn',
    message: 'a connection was closed: a client without a token sent more than SOCKET_OPEN_MAX',
  },
  requests_unanswered: {
    level: 'warn',
    message: 'a connection was closed: it sent too many requests without waiting for their answers',
  },

  // Events and calls
  event_failed: { level: 'error', message: 'an event failed', per: ['namespace', 'name'] },
  request_failed: { level: 'error', message: 'a request failed', per: ['path'] },

  // Durable delivery and push
  delivery_database_failed: { level: 'warn', message: 'delivery: database operation failed; retrying' },
  delivery_leader_silent: {
    level: 'warn',
    message: 'delivery: a node did not respond; storing its messages here',
    lines: 1,
    per: ['leader'],
  },
  acknowledgements_not_stored: { level: 'warn', message: 'delivery: storing acknowledgements failed; retrying' },
  device_cut: { level: 'info', message: 'a device lost messages that waited for it', per: ['reason'] },
  push_off: { level: 'info', message: 'push: off, no FIREBASE_SERVICE_ACCOUNT and no GOOGLE_APPLICATION_CREDENTIALS' },
  push_on: { level: 'info', message: 'push: on' },
  push_database_failed: { level: 'warn', message: 'push: database operation failed; retrying' },
  push_not_stored: { level: 'warn', message: 'push: not sent because the database failed' },
  push_refused: { level: 'warn', message: 'push: refused by FCM' },
  push_given_up: { level: 'warn', message: 'push: given up' },
  push_tokens_not_removed: { level: 'warn', message: 'push: removing refused tokens failed' },

  // Presence
  presence_update_failed: { level: 'error', message: 'presence: updating failed; retrying' },
  presence_handler_failed: { level: 'error', message: 'presence: handling a change failed' },
  presence_renewal_failed: { level: 'warn', message: 'presence: renewing failed; retrying' },
  socket_directory_full: {
    level: 'error',
    message: 'socket directory: too many sockets left while the database was away; some stay',
  },
  socket_directory_failed: { level: 'warn', message: 'socket directory: removing sockets failed; retrying' },

  // Conversations
  late_sending_failed: { level: 'warn', message: 'conversations: sending what was stored late failed' },
  recount_failed: { level: 'warn', message: 'conversations: recounting failed' },
  conversation_push_failed: { level: 'warn', message: 'conversations: sending a push for a message failed' },
  conversation_status_failed: { level: 'warn', message: 'conversations: sending a status to an account failed' },
  conversation_typing_failed: { level: 'warn', message: 'conversations: sending the end of typing failed' },
  snooze_check_failed: { level: 'warn', message: 'conversations: looking for expired snoozes failed; retrying' },

  // Chats
  chat_send_failed: { level: 'error', message: 'chats: sending a message failed', per: ['name'] },
  chat_order_lost: { level: 'error', message: 'chats: messages were sent without earlier ones that could not be read' },
  chat_position_failed: { level: 'warn', message: 'chats: storing the positions of sent messages failed' },
  chat_read_failed: { level: 'warn', message: 'chats: reading missing messages failed; retrying' },
  chat_compare_failed: { level: 'warn', message: 'comparing what was sent with what is stored failed' },
  chat_message_invalid: { level: 'warn', message: 'chats: an invalid message of another node was dropped' },
  chat_presence_failed: { level: 'warn', message: 'chats: sending a presence event failed', per: ['name'] },
  chat_typing_failed: { level: 'warn', message: 'chats: taking back a typing indicator failed' },
  chat_snapshot_failed: { level: 'warn', message: 'chats: sending the presence snapshot failed' },
  community_group_failed: { level: 'warn', message: 'community: notifying a group failed', per: ['name'] },
  community_status_failed: { level: 'warn', message: 'community: notifying of a status failed' },
  community_typing_failed: { level: 'warn', message: 'community: sending the end of typing failed' },
  community_chat_failed: { level: 'warn', message: 'community: notifying a chat failed' },
  community_viewers_unknown: {
    level: 'warn',
    message: 'community: reading who views a chat failed; all participants are notified',
  },
  community_notifications_failed: { level: 'error', message: 'community: storing notifications failed' },
  community_notification_update_failed: {
    level: 'error',
    message: 'community: updating the notifications of a message failed',
  },
  community_last_message_failed: { level: 'error', message: 'community: storing the last message of a chat failed' },
  community_event_failed: { level: 'error', message: 'community: sending an event failed', per: ['name'] },
  support_snapshot_failed: { level: 'warn', message: 'support: sending the presence snapshot of a department failed' },
  support_file_delete_failed: { level: 'error', message: 'support: deleting a file failed' },
  support_file_sweep_failed: { level: 'warn', message: 'support: sweeping a file failed; retrying' },
  support_sweep_failed: { level: 'warn', message: 'support: sweeping abandoned files failed' },
  support_last_message_failed: {
    level: 'error',
    message: 'support: storing the last message of a conversation failed',
  },
  support_typing_failed: { level: 'warn', message: 'support: sending the end of typing failed' },

  // Push sites
  site_update_failed: { level: 'warn', message: 'push sites: sending a user update failed', per: ['site'] },
  site_update_dropped: {
    level: 'warn',
    message: 'push sites: a user update was dropped: too many are queued',
    per: ['site'],
  },
  site_presence_failed: { level: 'error', message: 'push sites: updating presence failed' },
} as const satisfies Readonly<Record<string, LogEvent>>;

type LogEvents = typeof logEvents;

/** The messages of one level. */
export type MessageOf<Level extends LogLevel> = Extract<LogEvents[keyof LogEvents], { level: Level }>['message'];

/** A log event with its code. */
export interface CodedEvent extends LogEvent {
  readonly code: string;
}

const byMessage: ReadonlyMap<string, CodedEvent> = new Map(
  Object.entries<LogEvent>(logEvents).map(([code, event]) => [event.message, { ...event, code }]),
);

/** The event of a message. */
export const eventOf = (message: string): CodedEvent | undefined => byMessage.get(message);
