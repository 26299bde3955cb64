import type { IncomingHttpHeaders } from 'node:http';
import ipaddr from 'ipaddr.js';

/** Longest spelling of an address with a port; what is longer is not looked at. */
const LENGTH_MAX = 100;

/**
 * The key that limits count an unauthenticated client by: its network address, one text for all spellings, and
 * for IPv6 its /64, of which a single client usually has all addresses.
 *
 * The address is that of the connection, or what the nearest of `trustedProxies` reverse proxies says it is. What is no
 * address in the header counts as not said.
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

/** Whether a key is an address of the public internet, where clients are. Proxies and machines beside this one have others. */
export function isPublicAddress(key: string): boolean {
  const [address = ''] = key.split('/');
  return ipaddr.isValid(address) && ipaddr.parse(address).range() === 'unicast';
}

/** @returns `undefined` for what is no address */
function toKey(text: string): string | undefined {
  const address = text.length > LENGTH_MAX ? undefined : parseAddress(withoutPort(text.trim()));
  if (address === undefined) return undefined;
  if (address.kind() === 'ipv4') return address.toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address.toNormalizedString()}/64`);
  return `${network.toRFC5952String()}/64`;
}

/** `1.2.3.4:80` and `[::1]:80`, some proxies put quotes around it, as in the header `Forwarded`. */
function withoutPort(text: string): string {
  const [, unquoted = text] = /^"(.*)"$/.exec(text) ?? [];
  const [, v6, v4] = /^\[([^\]]*:[^\]]*)\](?::\d{1,5})?$|^([\d.]+):\d{1,5}$/.exec(unquoted) ?? [];
  return v6 ?? v4 ?? unquoted;
}

/** IPv4 inside of IPv6 (mapped, or by a NAT64) is IPv4. Only the usual way of writing IPv4 is taken: no octal numbers. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  // A zone is of no meaning on another machine.
  const plain = text.replace(/%[\w.-]+$/, '');
  if (!ipaddr.IPv6.isValid(plain)) return undefined;
  const address = ipaddr.IPv6.parse(plain);
  const isNat64 = address.range() === 'rfc6052';
  if (!address.isIPv4MappedAddress() && !isNat64) return address;
  return new ipaddr.IPv4(address.toByteArray().slice(-4));
}
