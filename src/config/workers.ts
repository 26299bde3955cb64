import type { z } from 'zod';
import type { environment } from './groups/index.js';

type Variables = Pick<z.output<typeof environment>, 'WORKERS' | 'REDIS_URL' | 'MONGODB_URL' | 'SOCKET_TRANSPORTS'>;

/** What several workers need, with the reason. @returns pairs of a setting and its problem */
export function workerProblems(variables: Variables): [name: string, problem: string][] {
  const { WORKERS: count, REDIS_URL: redis, MONGODB_URL: mongodb, SOCKET_TRANSPORTS: transports } = variables;
  if (count === 1) return [];
  const problem = (text: string): [string, string] => ['WORKERS', `${count} workers ${text}`];
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
