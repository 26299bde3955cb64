import { z } from 'zod';
import { DEFAULT_REDIS_PREFIX, redisPrefixProblem, redisUrlProblem } from '../../platform/redis/url.js';
import { checked, integer, milliseconds, mongoUrl, text } from '../values.js';

/** The database and Redis. */
export const storage = {
  DATA_DIR: text().default('data').describe('directory of the embedded database and the development secret'),
  MONGODB_URL: mongoUrl().optional().describe('connection string of MongoDB; unset: the embedded database'),
  MONGODB_POOL_MAX: integer(1, 10_000).default(100).describe('connection pool size per MongoDB server'),
  MONGODB_SELECTION_TIMEOUT_MS: milliseconds(1)
    .default(15_000)
    .describe('time limit for a primary or a free connection; must be longer than an election'),
  MONGODB_TIMEOUT_MS: milliseconds(100)
    .default(15_000)
    .describe('time limit of one read or write in MongoDB, including the wait for a majority'),
  REDIS_URL: z
    .string()
    .trim()
    .pipe(checked(redisUrlProblem))
    .optional()
    .describe('URL of Redis, its sentinels or a Redis Cluster; unset: one node, with its state in memory'),
  REDIS_TLS_CA_FILE: text()
    .optional()
    .describe('PEM file with the authorities of the certificates of Redis; unset: those that Node.js trusts'),
  REDIS_TLS_CERT_FILE: text().optional().describe('PEM file with the client certificate for Redis; unset: none'),
  REDIS_TLS_KEY_FILE: text().optional().describe('PEM file with the key of the client certificate for Redis'),
  REDIS_PREFIX: checked(redisPrefixProblem)
    .default(DEFAULT_REDIS_PREFIX)
    .describe('prefix of all Redis keys and channels'),
};
