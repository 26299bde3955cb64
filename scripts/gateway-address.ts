import { existsSync } from 'node:fs';
import { readConfig } from '../src/config.js';

/** Where a command finds the gateway: by its options, or else by the settings of this machine. */
export function gatewayAddress({ url, key }: { url?: string | undefined; key?: string | undefined }) {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const [first] = (process.env['EMIT_API_KEYS'] ?? '').split(',');
  const apiKey = key ?? process.env['GATEWAY_KEY'] ?? first?.trim() ?? '';
  return {
    url: (url ?? `http://localhost:${readConfig(process.env).http.port}`).replace(/\/+$/, ''),
    ...(apiKey !== '' && { apiKey }),
  };
}
