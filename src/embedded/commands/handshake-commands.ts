import { ObjectId } from 'bson';
import type { Document } from '../bson/values.js';
import { SESSION_TIMEOUT_MINUTES } from '../engine/sessions.js';
import { MAX_DOCUMENT_BYTES } from '../engine/writer.js';
import { fail } from '../errors.js';
import { MAX_MESSAGE_BYTES } from '../wire/framer.js';
import { type Command, NO_FIELDS, type Request } from './request/request.js';
import { MAX_WRITE_BATCH_SIZE } from './statements/run-statements.js';

/** The MongoDB release that this database emulates, and its wire version. */
export const SERVER_VERSION = '8.0.0';
const MAX_WIRE_VERSION = 25;
/** The server presents itself as a replica set with one node, because drivers use transactions only on replica sets. */
const REPLICA_SET_NAME = 'embedded';

const electionId = new ObjectId('7fffffff0000000000000001');

/** `hello`. It has no `topologyVersion`, so drivers poll instead of keeping a request open. */
const hello = ({ connection, name, command }: Request): Document => ({
  ...(command['helloOk'] === true || name !== 'hello' ? { helloOk: true } : {}),
  ...(name === 'hello' ? { isWritablePrimary: true } : { ismaster: true }),
  hosts: [connection.localAddress],
  setName: REPLICA_SET_NAME,
  setVersion: 1,
  electionId,
  secondary: false,
  primary: connection.localAddress,
  me: connection.localAddress,
  maxBsonObjectSize: MAX_DOCUMENT_BYTES,
  maxMessageSizeBytes: MAX_MESSAGE_BYTES,
  maxWriteBatchSize: MAX_WRITE_BATCH_SIZE,
  localTime: new Date(),
  logicalSessionTimeoutMinutes: SESSION_TIMEOUT_MINUTES,
  connectionId: connection.id,
  minWireVersion: 0,
  maxWireVersion: MAX_WIRE_VERSION,
  readOnly: false,
  ok: 1,
});

const HELLO_FIELDS = new Set([
  'helloOk',
  'client',
  'compression',
  'loadBalanced',
  'saslSupportedMechs',
  'speculativeAuthenticate',
  'topologyVersion',
  'maxAwaitTimeMS',
  'hostInfo',
  'backpressure',
]);

const buildInfo = (): Document => ({
  version: SERVER_VERSION,
  gitVersion: 'embedded',
  modules: [],
  sysInfo: 'deprecated',
  versionArray: [...SERVER_VERSION.split('.').map(Number), 0],
  bits: 64,
  debug: false,
  maxBsonObjectSize: MAX_DOCUMENT_BYTES,
  storageEngines: ['embedded'],
  ok: 1,
});

const noAuthentication = (): never =>
  fail('AuthenticationFailed', 'This database has no users: connect without credentials');

/** Commands with which drivers discover and monitor the server. */
export const handshakeCommands: Readonly<Record<string, Command>> = {
  hello: { fields: HELLO_FIELDS, run: hello },
  isMaster: { fields: HELLO_FIELDS, run: hello },
  ismaster: { fields: HELLO_FIELDS, run: hello },
  ping: { fields: NO_FIELDS, run: () => ({ ok: 1 }) },
  buildInfo: { fields: NO_FIELDS, run: buildInfo },
  buildinfo: { fields: NO_FIELDS, run: buildInfo },
  saslStart: { fields: new Set(['mechanism', 'payload', 'options', 'autoAuthorize', 'db']), run: noAuthentication },
  saslContinue: { fields: new Set(['conversationId', 'payload']), run: noAuthentication },
  authenticate: { fields: new Set(['mechanism', 'user', 'db']), run: noAuthentication },
  logout: { fields: NO_FIELDS, run: () => ({ ok: 1 }) },
  connectionStatus: {
    fields: new Set(['showPrivileges']),
    run: () => ({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] }, ok: 1 }),
  },
  whatsmyuri: { fields: NO_FIELDS, run: ({ connection }) => ({ you: connection.localAddress, ok: 1 }) },
};
