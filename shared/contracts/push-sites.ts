import { z } from 'zod';
import { defineContract } from './contract.js';
import { deviceId, eventName } from './primitives.js';

/** The most rooms that one client is in, and that one message is sent to. */
export const ROOMS_MAX = 1000;

/** The name of a room, as the site issues it; compared exactly. */
export const roomName = z
  .string()
  .min(1)
  .max(256)
  .refine((name) => !/\p{Surrogate}/u.test(name), 'must be well-formed Unicode');

/** What the website of a site answers when it is asked about a client. */
export const siteRooms = z.array(roomName).max(ROOMS_MAX);

/** What the website of a site is asked with, as a header. An empty text counts as absent. */
export const siteCredential = z
  .string()
  .max(8192)
  .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII');

const parameters = z.object({
  token: siteCredential.describe('What the website of the site knows the client by.').optional(),
  meta: siteCredential.describe('Shown to the website too, as `X-META`.').optional(),
  deviceId: deviceId.optional(),
});

/** By what a client of a site is known: parameters of the query, or of `auth`, which come first. */
export const siteHandshake = { auth: parameters, query: parameters };

/** The push sites: each is a namespace `/<site>`, whose clients its own website lets in. */
export const pushSites = defineContract({
  name: 'push-sites',
  serverEvents: {
    _settings: {
      summary: 'The first event on the namespace of a site: for how many seconds messages wait for a device.',
      payload: z.object({ device_ttl: z.number().int().min(0) }),
    },
    disconnected: {
      summary: 'The user has 100 other devices connected (`QUOTA_EXCEEDED`); the socket is closed.',
      payload: z.object({ reason: z.string().nullable() }),
    },
  },
  relayed: {
    summary: 'Whatever the website sends, under the name that it chose; acknowledged where users have a mailbox.',
    payload: z.array(z.unknown()),
    takesAllArguments: true,
    isAcknowledged: true,
  },
  routes: {
    send: {
      summary: 'Sends an event to the clients of a site that are in any of the rooms.',
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
        /** May come as `x-api-key` instead. */
        apiKey: z.string().optional(),
        /** Anything but `false`, `0` or nothing: a device that loses its place starts over. */
        resync: z.string().max(16).default(''),
      }),
      body: z.object({
        rooms: z.union([roomName, z.array(roomName).min(1).max(ROOMS_MAX)]),
        event: eventName,
        /** A list: the arguments; anything else: the one argument. */
        args: z.unknown().optional(),
      }),
    },
  },
});
