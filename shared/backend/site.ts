import type { z } from 'zod';
import type { pushSites } from '../contracts/push-sites.js';
import { type ConnectionOptions, toSettings } from './backend.js';
import { request } from './request.js';

type Send = (typeof pushSites)['routes']['send'];
type Message = z.input<Send['body']>;

/** Options of {@link createSite}. */
export interface SiteOptions extends ConnectionOptions {
  /** The name of the site, as the gateway was configured. */
  readonly site: string;
  readonly apiKey: string;
}

/** Sends to the clients of a push site. */
export type Site = ReturnType<typeof createSite>;

const ANSWER: Send['text'] = 'OK';

/** The REST route of push sites. */
export function createSite({ site, apiKey, ...options }: SiteOptions) {
  const settings = toSettings(options, { 'x-api-key': apiKey });
  return {
    /**
     * Sends an event with any arguments to rooms. `/send` takes no idempotency key, so it is sent again only when the gateway
     * says that it was not done.
     * @param isResync tells clients that they have lost messages and load everything again @throws GatewayClientError
     */
    async send(
      rooms: Message['rooms'],
      event: string,
      { args = [], isResync = false }: SendOptions = {},
    ): Promise<void> {
      const query = { site, ...(isResync && { resync: true }) };
      const body = JSON.stringify({ rooms, event, args });
      await request(settings, { method: 'POST', path: '/send', query, body, isRepeatable: false, text: ANSWER });
    },
  };
}

interface SendOptions {
  /** Arguments of the event. */
  readonly args?: readonly unknown[];
  readonly isResync?: boolean;
}
