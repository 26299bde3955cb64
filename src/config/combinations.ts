import type { z } from 'zod';
import type { environment } from './groups/index.js';
import type { Problem } from './secrets.js';

type Variables = z.output<typeof environment>;

/** What is wrong with settings that are valid by themselves */
export const combinationProblems = (variables: Variables): Problem[] => [
  ...workerProblems(variables),
  ...redisTlsProblems(variables),
];

/** What several workers need, with the reason. */
function workerProblems(variables: Variables): Problem[] {
  const { WORKERS: count, REDIS_URL: redis, MONGODB_URL: mongodb, SOCKET_TRANSPORTS: transports } = variables;
  if (count === 1) return [];
  const problem = (text: string): Problem => ['WORKERS', `${count} workers ${text}`];
  return [
    ...(redis === undefined ? [problem('need REDIS_URL: events, presence and limits go through Redis')] : []),
    ...(mongodb === undefined ? [problem('need MONGODB_URL: the embedded database belongs to one process')] : []),
    ...(transports.includes('polling')
      ? [
          problem(
            'cannot serve polling: the requests of one client reach different workers, and no load balancer can direct them. Remove polling from SOCKET_TRANSPORTS, or start a gateway for each core on a PORT of its own',
          ),
        ]
      : []),
  ];
}

/** Files for TLS that would have no effect. */
function redisTlsProblems(variables: Variables): Problem[] {
  const { REDIS_URL: url, REDIS_TLS_CA_FILE: ca, REDIS_TLS_CERT_FILE: cert, REDIS_TLS_KEY_FILE: key } = variables;
  const problems: Problem[] = [];
  if (cert !== undefined && key === undefined) problems.push(['REDIS_TLS_CERT_FILE', 'needs REDIS_TLS_KEY_FILE']);
  if (key !== undefined && cert === undefined) problems.push(['REDIS_TLS_KEY_FILE', 'needs REDIS_TLS_CERT_FILE']);
  if (url === undefined || /^rediss(?:\+|:)/i.test(url)) return problems;
  for (const [name, path] of Object.entries({ REDIS_TLS_CA_FILE: ca, REDIS_TLS_CERT_FILE: cert })) {
    if (path !== undefined) problems.push([name, 'has no effect: REDIS_URL does not mean TLS (rediss://)']);
  }
  return problems;
}
