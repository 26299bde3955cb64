import { z } from 'zod';
import { isoTime } from './primitives.js';

/** An event that went in or out of a node. */
export const trafficRecord = z.object({
  at: isoTime,
  from: z
    .enum(['client', 'backend', 'gateway'])
    .describe('`client` and `backend` (also a website): it came in; `gateway`: it went out to sockets of this node.'),
  namespace: z.string(),
  event: z.string(),
  userId: z.string().nullable().describe('`null`: several users, or none.'),
  sockets: z.number().int().describe('Sockets that it came from or went to, on this node.'),
  bytes: z.number().int().nullable().describe('Of the arguments as JSON; `null`: refused before they were read.'),
  code: z.string().optional().describe('Of an event of a client: `SUCCESS`, or why it failed.'),
  isDurable: z.boolean().optional().describe('Of an event of a backend.'),
  payload: z.array(z.unknown()).optional().describe('The arguments, where they were asked for.'),
});

/** Stands in the place of records that a slow reader has missed. */
export const trafficGap = z.object({ dropped: z.number().int() });

/** One line. */
export type TrafficRecord = z.output<typeof trafficRecord>;
