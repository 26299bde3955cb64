import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';

/** A key pair as an issuer of tokens has it. */
export interface SigningKey {
  /** Private and public key. */
  pair: JWK;
  /** What a key set publishes. */
  jwk: JWK;
  sign(claims: Record<string, unknown>): Promise<string>;
}

/** Creates a key pair. */
export async function createSigningKey(algorithm: string, kid?: string): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  return toSigningKey(await exportJWK(privateKey), algorithm, kid);
}

/** The same key pair for another algorithm of its type: a pair of RSA takes a third of a second. */
export async function toSigningKey(pair: JWK, algorithm: string, kid?: string): Promise<SigningKey> {
  const privateKey = await importJWK(pair, algorithm);
  const { d: _, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicKey } = pair;
  const named = kid === undefined ? {} : { kid };
  return {
    pair,
    jwk: { ...publicKey, ...named, alg: algorithm, use: 'sig' },
    sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg: algorithm, ...named }).sign(privateKey),
  };
}

/** A real HTTP server for a JWKS, whose answer a test can replace. */
export interface JwksServer {
  url: string;
  /** Paths that were asked for, in order. */
  requests: string[];
  answer: (response: ServerResponse, request: IncomingMessage) => void;
  /** Resolves when the next request has arrived. */
  nextRequest(): Promise<ServerResponse>;
  close(): Promise<void>;
}

/** Answers with these keys. */
export const answerKeys =
  (...keys: SigningKey[]) =>
  (response: ServerResponse): void => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  };

export async function createJwksServer(answer: JwksServer['answer']): Promise<JwksServer> {
  const http = createServer((request, response) => {
    server.requests.push(request.url ?? '');
    server.answer(response, request);
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server: JwksServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/jwks`,
    requests: [],
    answer,
    nextRequest: async () => (await once(http, 'request'))[1] as ServerResponse,
    async close() {
      if (!http.listening) return;
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
  return server;
}
