import { z } from 'zod';
import { deliveryHeader } from './connection.js';
import { defineContract } from './contract.js';
import { deviceId, eventName } from './primitives.js';
import { deliveryIds } from './session.js';

/** Maximum number of rooms of one client, and of one message. */
const ROOMS_MAX = 1000;

/** The name of a room, issued by the site; compared exactly. */
const roomName = z
  .string()
  .min(1)
  .max(256)
  .refine((name) => !/\p{Surrogate}/u.test(name), 'must be well-formed Unicode');

/** The answer of a site's `authUrl`. */
export const siteRooms = z.array(roomName).max(ROOMS_MAX);

/** A credential that is forwarded to `authUrl` as a header. Empty text counts as absent. */
export const siteCredential = z
  .string()
  .max(8192)
  .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII');

const parameters = z.object({
  token: siteCredential.describe("The client's credential for the website.").optional(),
  meta: siteCredential.describe('Forwarded to the website as `X-META`.').optional(),
  deviceId: deviceId.optional(),
});

/** Handshake of a site client: query parameters, or `auth`, which takes precedence. */
export const siteHandshake = { auth: parameters.extend({ deliveryIds }), query: parameters };

/** Push sites: each is a namespace `/<site>`, whose clients the site's own website authenticates. */
export const pushSites = defineContract({
  name: 'push-sites',
  serverEvents: {
    _settings: {
      summary: 'The first event on a site namespace: how many seconds messages are kept for a device.',
      payload: z.object({ device_ttl: z.number().int().min(0) }),
    },
    disconnected: {
      summary: 'The user has 100 other devices connected (`QUOTA_EXCEEDED`); the socket is closed.',
      payload: z.object({ reason: z.string().nullable() }),
    },
  },
  relayed: {
    summary: 'Any event the website sends, under its own name; acknowledged where users have durable delivery.',
    payload: z.array(z.unknown()),
    takesAllArguments: true,
    isAcknowledged: true,
    header: deliveryHeader,
  },
  routes: {
    send: {
      summary: 'Sends an event to all clients of a site in any of the rooms.',
      caller: 'site',
      text: 'OK',
      refusals: {
        isIncomplete: { status: 400, text: "Missing query param 'site' or 'apiKey'." },
        isUnknown: { status: 401, text: 'ApiKey invalid.' },
      },
      takesForm: true,
      method: 'post',
      path: '/send',
      query: z.object({
        site: z.string(),
        apiKey: z.string().describe('Or the header `x-api-key`.').optional(),
        resync: z
          .string()
          .max(16)
          .describe('Any value except `false`, `0` and empty: a device that lost messages gets `_resync`.')
          .default(''),
      }),
      body: z.object({
        rooms: z.union([roomName, z.array(roomName).min(1).max(ROOMS_MAX)]),
        event: eventName,
        args: z.unknown().describe('An array holds the arguments; any other value is the only argument.').optional(),
      }),
    },
  },
});
