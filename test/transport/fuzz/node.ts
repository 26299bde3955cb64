import { createLogger } from '../../../src/platform/logger.js';
import { startGateway } from '../../support/gateway.js';
import type { GatewayProcess } from '../hostile/gateway-process.js';

/** A gateway that gets the inputs. */
export type FuzzNode = Omit<GatewayProcess, 'port'>;

/** Starts one in this process: at once, but its memory is not told from that of the fuzzer. */
export async function startNodeHere(env: Record<string, string>): Promise<FuzzNode> {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', isPretty: false }, { write: (line) => void lines.push(line) });
  const gateway = await startGateway(env, { logger });
  return {
    ...{ url: gateway.url, lines, ended: undefined, stderr: '', close: gateway.close },
    measure: async () => 0,
    ask: async (method, path, body) => (await gateway.call(method, path, body)).text,
  };
}
