import type { LiveKind } from '#shared/contracts/traffic.js';

/** What the live view can show, in its order, and what it is. */
export const kindHints: Readonly<Record<LiveKind, string>> = {
  connect: 'Sockets that connected',
  disconnect: 'Sockets that disconnected',
  refusal: 'Connects that were refused',
  event: 'Events of clients, with their answers',
  emit: 'Events of backends and websites',
  sent: 'Events that went out to sockets',
  slow: 'Connections of slow clients that were closed',
  limit: 'Rate limits that were reached',
  push: 'Answers of the push service',
};

/** The keys of {@link kindHints}. */
export const kinds = Object.keys(kindHints) as LiveKind[];

/** The filters with one value, as they are called in the address and in the query of `GET /live`. */
export const names = ['user', 'namespace', 'event', 'code', 'node'] as const;

/** What to show. A filter that is empty lets everything through. */
export type Filters = Readonly<Record<(typeof names)[number], string>> & {
  /** In the order of {@link kinds}; all of them: no filter. */
  readonly kinds: readonly LiveKind[];
};

/** Reads filters from an address that a colleague may have typed: what is not known is left out. */
export function toFilters(query: URLSearchParams): Filters {
  const one = (name: string): string => (query.get(name) ?? '').trim();
  const asked = (query.get('kinds') ?? '').split(',');
  const known = kinds.filter((kind) => asked.includes(kind));
  return {
    user: one('user'),
    namespace: one('namespace'),
    event: one('event'),
    code: one('code'),
    node: one('node'),
    kinds: known.length === 0 ? kinds : known,
  };
}

/** The query of the address, and of the call. Empty texts are left out by `hrefTo`. */
export const toQuery = (filters: Filters): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(names.map((name) => [name, filters[name]])),
  kinds: filters.kinds.length === kinds.length ? '' : filters.kinds.join(','),
});

/** Switches a kind on or off. The last one cannot be switched off: nothing would be shown. */
export function toggleKind(filters: Filters, kind: LiveKind): Filters {
  const isOn = filters.kinds.includes(kind);
  if (isOn && filters.kinds.length === 1) return filters;
  return { ...filters, kinds: kinds.filter((one) => (one === kind ? !isOn : filters.kinds.includes(one))) };
}
