import { hash, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { TextAnswer } from '#shared/contracts/contract.js';
import { pushSites } from '#shared/contracts/push-sites.js';
import type { LiveSecrets } from '../../config/live-secrets.js';

const { isIncomplete, isUnknown } = pushSites.routes.send.refusals;

/**
 * Authenticates callers by a key of the site in the query: `apiKey`, or the header `x-api-key`. An unknown site gets
 * the same answer as a wrong key.
 */
export function createSiteGuard(secrets: LiveSecrets) {
  const digestsBySite = secrets.derive(
    ({ siteKeys }) =>
      new Map([...siteKeys].map(([name, keys]) => [name, keys.map((key) => digest(Buffer.from(key)))] as const)),
  );
  return function ensureSite({ query, headers }: Request): TextAnswer | undefined {
    const site = textOf(query['site']);
    const inQuery = textOf(query['apiKey']);
    const inHeader = textOf(headers['x-api-key']);
    if (site === undefined || (inQuery === undefined && inHeader === undefined)) return isIncomplete;
    // Node.js decodes headers as latin1; this restores the bytes.
    const presented = inQuery === undefined ? Buffer.from(inHeader ?? '', 'latin1') : Buffer.from(inQuery);
    // Always compared, so that the time does not reveal which sites exist, and which key matched.
    const found = digest(presented);
    let matches = 0;
    for (const expected of digestsBySite().get(site) ?? [NO_DIGEST])
      matches += Number(timingSafeEqual(expected, found));
    return matches > 0 ? undefined : isUnknown;
  };
}

const digest = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer');
const NO_DIGEST = Buffer.alloc(32);

/** A repeated parameter is a list, and counts as absent. */
const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
