import { createLogger } from '../../../src/platform/logging/logger.js';
import { startGateway } from '../../support/gateway.js';
import type { GatewayProcess } from '../../support/gateway-process.js';

/** The gateway under test. */
export type FuzzNode = Pick<GatewayProcess, 'url' | 'lines' | 'exit' | 'stderr' | 'close' | 'measure' | 'ask'>;

/** Starts a gateway in this process: fast, but its memory cannot be measured. */
export async function startNodeHere(env: Record<string, string>): Promise<FuzzNode> {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', isPretty: false }, { write: (line) => void lines.push(line) });
  const gateway = await startGateway(env, { logger });
  return {
    url: gateway.url,
    lines,
    exit: undefined,
    stderr: '',
    close: gateway.close,
    measure: async () => 0,
    ask: async (method, path, body) => (await gateway.call(method, path, body)).text,
  };
}
