import { z } from 'zod';
import { isoTime } from './primitives.js';

/** An event that went in or out of a node. */
export const trafficRecord = z.object({
  at: isoTime.describe('By the clock of the node.'),
  node: z.string().describe('The id of the node.'),
  from: z
    .enum(['client', 'backend', 'gateway'])
    .describe('`client` and `backend` (also a website): it came in; `gateway`: it went out to sockets of the node.'),
  namespace: z.string(),
  event: z.string(),
  userId: z.string().nullable().describe('`null`: several users, or none.'),
  sockets: z.number().int().describe('Sockets that it came from or went to, on the node.'),
  bytes: z.number().int().nullable().describe('Of the arguments as JSON; `null`: refused before they were read.'),
  code: z.string().optional().describe('Of an event of a client: `SUCCESS`, or why it failed.'),
  isDurable: z.boolean().optional().describe('Of an event of a backend.'),
  payload: z
    .array(z.unknown())
    .optional()
    .describe('The arguments, where they were asked for and have at most 16 KiB.'),
});

/** Stands in the place of records that were left out. */
export const trafficGap = z.object({
  dropped: z.number().int(),
  unwatched: z
    .string()
    .optional()
    .describe('The id of a node whose records are missing, because too many streams watch it. It is asked again.'),
});

/** A line about records that were left out. */
export type TrafficGap = z.output<typeof trafficGap>;

/** One line. */
export type TrafficRecord = z.output<typeof trafficRecord>;

/** What is recorded, and what it means. */
export const liveKinds = {
  connect: 'a socket connected',
  disconnect: 'a socket disconnected; `code` is the reason',
  refusal: 'a connect was refused; `code` is the reason',
  event: 'an event of a client was answered; `code` is `SUCCESS`, or why it failed',
  emit: 'an event of a backend or website was accepted',
  sent: 'an event went out to sockets of the node',
  slow: 'the connection of a client that did not read was closed; `bytes` were dropped',
  limit: 'a caller reached a rate limit; `detail` is its name',
  push: 'FCM answered for tokens of a user; `code` is the result, `sockets` the number of tokens',
} as const;

/** A key of {@link liveKinds}. */
export type LiveKind = keyof typeof liveKinds;

const kindNames = Object.keys(liveKinds) as [LiveKind];
const kindSentences = Object.entries(liveKinds).map(([kind, sentence]) => `${kind}: ${sentence}.`);

/** Something that happened on a node. Texts that clients chose are cut to 128 characters. */
export const liveRecord = z.object({
  at: isoTime.describe('By the clock of the node.'),
  node: z.string().describe('The id of the node.'),
  kind: z.enum(kindNames).describe(kindSentences.join('\n')),
  namespace: z.string().nullable(),
  event: z.string().nullable(),
  userId: z.string().nullable().describe('From a verified token; `null`: several users, or none.'),
  code: z.string().nullable(),
  sockets: z.number().int(),
  bytes: z
    .number()
    .int()
    .nullable()
    .describe('Of the arguments as JSON; `null`: there are none, or they were not read.'),
  address: z.string().optional().describe('The network address; of IPv6 the first 64 bits.'),
  claimedUserId: z.string().optional().describe('Of a refusal: the user that the token names. It proves nothing.'),
  deviceId: z.string().optional().describe('Of `connect` and `disconnect`, where the client names one.'),
  isDurable: z.boolean().optional().describe('Of `emit`.'),
  messageId: z.string().optional().describe('Of a durable `emit` to one user, and of `push`.'),
  detail: z.string().optional().describe('More about the reason.'),
});

/** Something that happened, with its node. */
export type LiveRecord = z.output<typeof liveRecord>;

const text = z.string().min(1).max(128);

/** Filters for what happens, combined with AND. */
export const liveQuestion = z.object({
  user: text.describe('Only of this user, verified or claimed.').optional(),
  namespace: text.describe('Only of this namespace.').optional(),
  event: text.describe('Only events of this name.').optional(),
  code: text.describe('Only with this code.').optional(),
  node: text.describe('Only of the node with this id.').optional(),
  kinds: z
    .string()
    .refine((list) => list.split(',').every((kind) => Object.hasOwn(liveKinds, kind)), 'must be kinds with commas')
    .describe(`Of \`${kindNames.join('`, `')}\`, with commas between them; absent: all.`)
    .optional(),
});
