import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, type AgentOptions, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificate } from './certificate.js';
import { createGate } from './gate.js';
import { until } from './until.js';

/** A message as it reached FCM. */
interface FcmMessage {
  token: string;
  notification?: { title?: string; body?: string };
  data: Record<string, string>;
  webpush?: { notification: { tag: string } };
}

/** How FCM answers: a status, and what it says of the reason. */
export interface FcmAnswer {
  status: number;
  error?: object;
  headers?: Record<string, string>;
}

/** FCM and Google's token endpoint, over TLS, on this machine. */
export interface TestFcm {
  /** Carries connections to Google here. */
  readonly agent: Agent;
  /** Environment with credentials that it accepts. */
  readonly env: Record<string, string>;
  /** What has come, in order, also what was refused. */
  readonly messages: FcmMessage[];
  /** Access tokens that were fetched. */
  tokens(): number;
  /** How the next requests for a device are answered, one after the other; then again with success. */
  answer(token: string, ...answers: readonly FcmAnswer[]): void;
  /** Holds every answer back until the returned function is called. */
  hold(): () => void;
  /** Those for one device. */
  to(token: string): FcmMessage[];
  /** Waits until so many messages for a device have come. */
  has(token: string, count: number): Promise<void>;
  close(): Promise<void>;
}

const FCM_ERROR = 'type.googleapis.com/google.firebase.fcm.v1.FcmError';
const refusal = (status: number, code: string, message: string) => ({
  status,
  error: { code: status, status: code, message, details: [{ '@type': FCM_ERROR, errorCode: code }] },
});

/** The answers that FCM documents (reference of its v1 API, `ErrorCode`). */
export const answers = {
  unregistered: refusal(404, 'UNREGISTERED', 'Requested entity was not found.'),
  invalidToken: refusal(400, 'INVALID_ARGUMENT', 'The registration token is not a valid FCM registration token'),
  invalidMessage: refusal(400, 'INVALID_ARGUMENT', 'Message is too big'),
  invalidField: {
    status: 400,
    error: {
      code: 400,
      status: 'INVALID_ARGUMENT',
      message: 'Request contains an invalid argument.',
      details: [
        { '@type': FCM_ERROR, errorCode: 'INVALID_ARGUMENT' },
        { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field: 'message.token' }] },
      ],
    },
  },
  senderMismatch: refusal(403, 'SENDER_ID_MISMATCH', 'SenderId mismatch'),
  /** The service account may not send; FCM says nothing of the token. */
  forbidden: {
    status: 403,
    error: { code: 403, status: 'PERMISSION_DENIED', message: "Permission 'cloudmessaging.messages.create' denied" },
  },
  /** As a proxy forbids. */
  plainForbidden: { status: 403 },
  /** The project of the service account is gone. */
  noProject: { status: 404, error: { code: 404, status: 'NOT_FOUND', message: 'Project not found' } },
  thirdPartyAuth: refusal(401, 'THIRD_PARTY_AUTH_ERROR', 'Auth error from APNS or Web Push Service'),
  quota: refusal(429, 'QUOTA_EXCEEDED', 'Quota exceeded'),
  unavailable: refusal(503, 'UNAVAILABLE', 'The service is currently unavailable.'),
  /** As a proxy answers before FCM. */
  badGateway: { status: 502 },
} as const satisfies Record<string, FcmAnswer>;

/** Starts it on a free port. */
export async function startFcm(): Promise<TestFcm> {
  const certificate = createCertificate(['fcm.googleapis.com', 'oauth2.googleapis.com', 'www.googleapis.com']);
  const messages: FcmMessage[] = [];
  const prepared = new Map<string, FcmAnswer[]>();
  let tokens = 0;
  const gate = createGate();

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.setHeader('content-type', 'application/json');
    if (request.headers.host !== 'fcm.googleapis.com') {
      tokens += 1;
      response.end(JSON.stringify({ access_token: `access-${tokens}`, expires_in: 3600, token_type: 'Bearer' }));
      return;
    }
    const { message } = JSON.parse(Buffer.concat(chunks).toString()) as { message: FcmMessage };
    const isOurs = request.url === `/v1/projects/${PROJECT}/messages:send`;
    const isAllowed = /^Bearer access-\d+$/.test(request.headers.authorization ?? '');
    messages.push(message);
    await gate.opened;
    const {
      status,
      error,
      headers = {},
    }: FcmAnswer = isOurs && isAllowed ? (prepared.get(message.token)?.shift() ?? { status: 200 }) : { status: 403 };
    const success = { name: `projects/${PROJECT}/messages/${messages.length}` };
    if (status !== 200 && error === undefined) response.setHeader('content-type', 'text/html');
    response.writeHead(status, headers);
    response.end(status === 200 ? JSON.stringify(success) : error === undefined ? '' : JSON.stringify({ error }));
  };
  const server = createServer(certificate, (request, response) => {
    respond(request, response).catch(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new LocalAgent({ keepAlive: true, ca: certificate.cert }, (server.address() as AddressInfo).port);

  const directory = await mkdtemp(join(tmpdir(), 'general-socket-fcm-'));
  const accountPath = join(directory, 'account.json');
  await writeFile(accountPath, JSON.stringify(createServiceAccount()));

  const to = (token: string): FcmMessage[] => messages.filter((message) => message.token === token);
  return {
    agent,
    env: { FIREBASE_SERVICE_ACCOUNT: accountPath },
    messages,
    tokens: () => tokens,
    answer: (token, ...next) => void prepared.set(token, [...next]),
    hold: gate.hold,
    to,
    has: (token, count) => until(() => to(token).length >= count),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const PROJECT = 'project-of-the-tests';

/** A service account as Google's console hands it out. */
export function createServiceAccount(): Record<string, string> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    type: 'service_account',
    project_id: PROJECT,
    private_key_id: 'key',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    client_email: `push@${PROJECT}.iam.gserviceaccount.com`,
    client_id: '1',
    token_uri: 'https://oauth2.googleapis.com/token',
  };
}

/** Connects to a port of this machine, whatever host it is asked for; whose certificate counts is that host's. */
class LocalAgent extends Agent {
  readonly #port: number;

  constructor(options: AgentOptions, port: number) {
    super(options);
    this.#port = port;
  }

  override createConnection(options: object, callback?: Parameters<Agent['createConnection']>[1]) {
    return super.createConnection({ ...options, host: '127.0.0.1', port: this.#port }, callback);
  }
}
