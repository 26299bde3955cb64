import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a call comes from a page of this gateway. A browser sends the header `x-console` to another origin only after a
 * preflight, which the console refuses. The rest is a second proof: `Sec-Fetch-Site`, which browsers send to secure addresses
 * and to localhost, or else the origin of the page.
 */
export function isFromOwnPage(headers: IncomingHttpHeaders): boolean {
  if (headers['x-console'] !== '1') return false;
  const site = headers['sec-fetch-site'];
  return site === undefined ? isOwnOrigin(headers) : site === 'same-origin';
}

function isOwnOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  if (origin === undefined || host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: ofPage } = new URL(origin);
  return /^https?:$/.test(protocol) && ofPage === host.toLowerCase();
}

/** Whether a page of another origin, or a link on one, makes the browser call. Clients that are no browsers do not say. */
export const isFromOtherPage = ({ 'sec-fetch-site': site }: IncomingHttpHeaders): boolean =>
  site !== undefined && site !== 'same-origin' && site !== 'none';

/** Whether the page was loaded over https, as its browser says. The gateway itself speaks http behind a proxy. */
export const isSecurePage = ({ origin }: IncomingHttpHeaders): boolean => /^https:/i.test(origin ?? '');
