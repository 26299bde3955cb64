import type { GatewayClient } from './gateway-client.js';
import { NamespaceClient } from './namespace-client.js';
import type { ConnectOptions, ConnectSiteOptions } from './options.js';
import type { ApplicationEvents, NamespaceName } from './types.js';

/** Declares the events that backends emit, for the compiler alone. */
export const eventsOf = <A extends ApplicationEvents>(): A => ({}) as A;

/** Connects to a namespace. Handlers that are registered in the same turn miss nothing. */
export const connect = <const N extends NamespaceName, A extends ApplicationEvents = ApplicationEvents>(
  options: ConnectOptions<N, A>,
): GatewayClient<N, A> => new NamespaceClient<N, A>(options, options);

/** Connects to a push site. */
export const connectSite = <A extends ApplicationEvents = ApplicationEvents>(
  options: ConnectSiteOptions<A>,
): GatewayClient<'/{site}', A> =>
  new NamespaceClient<'/{site}', A>(options, {
    namespace: `/${options.site}`,
    ...(options.token !== undefined && { token: options.token }),
    ...(options.meta !== undefined && { auth: { meta: options.meta } }),
  });
