/** The types of events by namespace, inferred from the contracts. Nothing of this file is left after compilation. */
import type { z } from 'zod';
import type { configuredNamespaces, publishedNamespaces, Wire } from '../contracts/index.js';

type Published = typeof publishedNamespaces;

/** The namespaces of every gateway. */
export type NamespaceName = keyof Published;

/** The namespaces of push sites, whose names the settings define. */
type SitePattern = keyof typeof configuredNamespaces;

/** Any of them. */
export type AnyNamespace = NamespaceName | SitePattern;

/** Events that backends and websites emit: the arguments of each, by name. */
export type ApplicationEvents = Readonly<Record<string, readonly unknown[]>>;

/** The contracts of a namespace. */
type ContractOn<N, W = Wire> = W extends { contract: infer C; namespaces: readonly (infer M)[] }
  ? N extends M
    ? C
    : never
  : never;

type Named<C, Kind extends PropertyKey> = C extends { [K in Kind]: infer Events } ? keyof Events & string : never;
type Declared<C, Kind extends PropertyKey, Name extends PropertyKey> = C extends {
  [K in Kind]: { [E in Name]: infer Event };
}
  ? Event
  : never;

/** The events that a client may emit. */
export type EmitName<N extends AnyNamespace> = Named<ContractOn<N>, 'clientEvents'>;
type EmitEvent<N extends AnyNamespace, E extends string> = Declared<ContractOn<N>, 'clientEvents', E>;

type DataOf<P extends z.ZodType> = Record<never, never> extends z.input<P> ? [data?: z.input<P>] : [data: z.input<P>];

/** The arguments of an event that a client emits. */
export type EmitArgs<N extends AnyNamespace, E extends string> =
  EmitEvent<N, E> extends { takesAllArguments: true; payload: infer P extends z.ZodType }
    ? Extract<z.input<P>, readonly unknown[]>
    : EmitEvent<N, E> extends { payload: infer P extends z.ZodType }
      ? DataOf<P>
      : never;

/** The `data` of its answer; `undefined`: the answer has none. */
export type EmitAnswer<N extends AnyNamespace, E extends string> =
  EmitEvent<N, E> extends { answer: infer A extends z.ZodType } ? z.output<A> : undefined;

type IsRelaying<N extends AnyNamespace> = Extract<ContractOn<N>, { relayed: unknown }> extends never ? false : true;
type ServerName<N extends AnyNamespace> = Exclude<Named<ContractOn<N>, 'serverEvents'>, `_${string}`>;
type ServerEventOf<N extends AnyNamespace, E extends string> = Declared<ContractOn<N>, 'serverEvents', E>;
type ServerArgs<D> = D extends { payload: infer P extends z.ZodType } ? [data: z.output<P>] : [];

/** The events that a client may listen to. */
export type EventName<N extends AnyNamespace, A extends ApplicationEvents> =
  | ServerName<N>
  | (IsRelaying<N> extends true ? keyof A & string : never);

/** The arguments of an event. */
export type EventArgs<N extends AnyNamespace, A extends ApplicationEvents, E extends string> =
  E extends ServerName<N> ? ServerArgs<ServerEventOf<N, E>> : E extends keyof A ? A[E] : never;

type HandshakeOf<N extends AnyNamespace> = N extends NamespaceName
  ? Published[N] extends { handshake: { query: infer Q extends z.ZodType } }
    ? Omit<z.input<Q>, 'token' | 'deviceId'>
    : Record<never, never>
  : Record<never, never>;

/** What a namespace requires besides token and device. */
export type QueryOption<N extends AnyNamespace> =
  Record<never, never> extends HandshakeOf<N> ? { readonly query?: never } : { readonly query: HandshakeOf<N> };

/** A token is needed where users authenticate. */
export type TokenOption<N extends AnyNamespace, Source> = N extends NamespaceName
  ? Published[N] extends { scopes: readonly string[] }
    ? { readonly token: Source }
    : { readonly token?: Source }
  : { readonly token?: Source };
