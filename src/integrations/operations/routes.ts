import type { operations } from '#shared/contracts/operations.js';
import { createAsyncApi } from '../../documents/async-api.js';
import { createOpenApi } from '../../documents/open-api.js';
import { createReference, referencePolicy } from '../../documents/reference/index.js';
import { GatewayError } from '../../errors.js';
import type { Context } from '../../framework/context.js';
import type { RouteHandlers } from '../../framework/routes.js';
import { createWatchStreams } from '../../framework/watch-streams.js';
import { versions } from '../../platform/version.js';
import { createTail } from './tail.js';

/** The routes of the operations contract. */
export function createRoutes(context: Context): RouteHandlers<typeof operations> {
  const { config, machine, metrics } = context;
  const { contentType } = metrics.registry;
  const tail = createTail({ streamWatched: createWatchStreams(context), isProduction: config.isProduction });
  const openApi = once(() => JSON.stringify(createOpenApi()));
  const asyncApi = once(() => JSON.stringify(createAsyncApi()));
  const reference = once(createReference);
  return {
    status: async () => undefined,
    healthcheck: async () => undefined,
    // The version would show an attacker which vulnerabilities to try.
    live: async ({ apiKey }) => (apiKey === undefined ? {} : versions),
    async ready({ query: { exclude = '' } }) {
      const excluded = exclude.split(',');
      const missing = (await machine.missing()).filter((name) => !excluded.includes(name));
      if (missing.length > 0) throw new GatewayError('UNAVAILABLE', { missing });
    },
    async metrics({ response }) {
      response.type(contentType).send(await machine.metrics());
    },
    async openApi({ response }) {
      response.type('json').send(openApi());
    },
    async asyncApi({ response }) {
      response.type('json').send(asyncApi());
    },
    tail: ({ request, response, query, isStillValid }) =>
      tail({ response, isStillValid: () => isStillValid(request) }, query),
    async docs({ response }) {
      response.setHeader('Content-Security-Policy', referencePolicy);
      response.type('html').send(reference());
    },
  };
}

/** Creates a text on first use. */
function once(make: () => string): () => string {
  let made: string | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
