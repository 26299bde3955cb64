import type { Request } from 'express';
import type { TextAnswer } from '#shared/contracts/contract.js';
import { pushSites } from '#shared/contracts/push-sites.js';
import { digestOf, digestOfHeader, findByDigest } from '../../auth/key-digest.js';
import type { LiveSecrets } from '../../config/live-secrets.js';

const { isIncomplete, isUnknown } = pushSites.routes.send.refusals;

/**
 * Authenticates callers by a key of the site in the query: `apiKey`, or the header `x-api-key`. An unknown site gets
 * the same answer as a wrong key.
 */
export function createSiteGuard(secrets: LiveSecrets) {
  const keysBySite = secrets.derive(
    ({ siteKeys }) =>
      new Map([...siteKeys].map(([name, keys]) => [name, keys.map((key) => ({ digest: digestOf(key) }))] as const)),
  );
  return function ensureSite({ query, headers }: Request): TextAnswer | undefined {
    const site = textOf(query['site']);
    const inQuery = textOf(query['apiKey']);
    const inHeader = textOf(headers['x-api-key']);
    if (site === undefined || (inQuery === undefined && inHeader === undefined)) return isIncomplete;
    const presented = inQuery === undefined ? digestOfHeader(inHeader ?? '') : digestOf(inQuery);
    // Compared also for an unknown site, so that the time does not reveal which sites exist.
    const found = findByDigest(keysBySite().get(site) ?? [NO_KEY], presented);
    return found === undefined ? isUnknown : undefined;
  };
}

const NO_KEY = { digest: Buffer.alloc(32) };

/** A repeated parameter is a list, and counts as absent. */
const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
