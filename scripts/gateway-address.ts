import { readConfig } from '../src/config.js';

/** Where a command finds the gateway: by its options, or else by the settings of this machine. */
export function gatewayAddress({
  url,
  key = process.env['GATEWAY_KEY'],
}: {
  url?: string | undefined;
  key?: string | undefined;
}) {
  if (url !== undefined && key !== undefined) return toAddress(url, key);
  const { http, auth } = readConfig(process.env, '.env');
  return toAddress(url ?? `http://localhost:${http.port}`, key ?? auth.apiKeys[0] ?? '');
}

function toAddress(url: string, apiKey: string) {
  if (!URL.canParse(url) || !/^https?:/i.test(url))
    throw new Error(`--url must begin with http:// or https://: ${url}`);
  return { url: url.replace(/\/+$/, ''), ...(apiKey !== '' && { apiKey }) };
}
