import type { Config } from '../config.js';
import { createLogger, type Logger } from '../platform/logging/logger.js';

/** The logger of a process on standard output: JSON in production. Workers write to the same one. */
export const createGatewayLogger = ({ logLevel: level, isProduction, nodeName: node, workers }: Config): Logger =>
  createLogger({ level, isPretty: !isProduction, node, showsNode: workers > 1 });
