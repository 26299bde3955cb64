import type { z } from 'zod';
import type { environment } from './groups/index.js';

type Variables = Pick<
  z.output<typeof environment>,
  'REDIS_URL' | 'REDIS_TLS_CA_FILE' | 'REDIS_TLS_CERT_FILE' | 'REDIS_TLS_KEY_FILE'
>;

/** Files for TLS that would have no effect. @returns pairs of a setting and its problem */
export function redisTlsProblems(variables: Variables): [name: string, problem: string][] {
  const { REDIS_URL: url, REDIS_TLS_CA_FILE: ca, REDIS_TLS_CERT_FILE: cert, REDIS_TLS_KEY_FILE: key } = variables;
  const problems: [string, string][] = [];
  if (cert !== undefined && key === undefined) problems.push(['REDIS_TLS_CERT_FILE', 'needs REDIS_TLS_KEY_FILE']);
  if (key !== undefined && cert === undefined) problems.push(['REDIS_TLS_KEY_FILE', 'needs REDIS_TLS_CERT_FILE']);
  if (url === undefined || /^rediss(?:\+|:)/i.test(url)) return problems;
  for (const [name, path] of Object.entries({ REDIS_TLS_CA_FILE: ca, REDIS_TLS_CERT_FILE: cert })) {
    if (path !== undefined) problems.push([name, 'has no effect: REDIS_URL does not mean TLS (rediss://)']);
  }
  return problems;
}
