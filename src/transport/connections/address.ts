import type { IncomingHttpHeaders } from 'node:http';
import ipaddr from 'ipaddr.js';
import { createBoundedMap } from '../../platform/bounded-map.js';

/** Maximum length of an address with a port; longer values are ignored. */
const LENGTH_MAX = 100;

/**
 * The key by which limits count an unauthenticated client: its network address in one normalized form; for IPv6 its /64,
 * because one client usually has all addresses of a /64.
 *
 * The address is that of the connection, or the one in the header of the nearest of `trustedProxies` reverse proxies. Invalid
 * addresses in the header are ignored.
 */
export function addressKeyOf(
  { address, headers }: { readonly address: string; readonly headers: IncomingHttpHeaders },
  trustedProxies: number,
): string {
  const forwarded = headers['x-forwarded-for'];
  const hop =
    trustedProxies === 0 || typeof forwarded !== 'string' ? undefined : forwarded.split(',').at(-trustedProxies);
  return (hop === undefined ? undefined : toKey(hop)) ?? toKey(address) ?? address;
}

/** Whether a key is a public address. Proxies and machines in the same network usually have private ones. */
export function isPublicAddress(key: string): boolean {
  const [address = ''] = key.split('/');
  return ipaddr.isValid(address) && ipaddr.parse(address).range() === 'unicast';
}

/** Keys by address as it was given: a connect asks for its own several times. */
const knownKeys = createBoundedMap<string>(1000);

/** @returns `undefined` for an invalid address */
function toKey(text: string): string | undefined {
  const known = knownKeys.get(text);
  if (known !== undefined || text.length > LENGTH_MAX) return known;
  const key = readKey(text);
  if (key !== undefined) knownKeys.set(text, key);
  return key;
}

function readKey(text: string): string | undefined {
  const address = parseAddress(withoutPort(text.trim()));
  if (address === undefined) return undefined;
  if (address.kind() === 'ipv4') return address.toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address.toNormalizedString()}/64`);
  return `${network.toRFC5952String()}/64`;
}

/** Parses `1.2.3.4:80` and `[::1]:80`. Some proxies quote it, as in the header `Forwarded`. */
function withoutPort(text: string): string {
  const [, unquoted = text] = /^"(.*)"$/.exec(text) ?? [];
  const [, v6, v4] = /^\[([^\]]*:[^\]]*)\](?::\d{1,5})?$|^([\d.]+):\d{1,5}$/.exec(unquoted) ?? [];
  return v6 ?? v4 ?? unquoted;
}

/** Converts IPv4 inside IPv6 (mapped, or NAT64) to IPv4. Octal numbers are not accepted. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  // A zone has no meaning on another machine.
  const plain = text.replace(/%[\w.-]+$/, '');
  if (!ipaddr.IPv6.isValid(plain)) return undefined;
  const address = ipaddr.IPv6.parse(plain);
  const isNat64 = address.range() === 'rfc6052';
  if (!address.isIPv4MappedAddress() && !isNat64) return address;
  return new ipaddr.IPv4(address.toByteArray().slice(-4));
}
