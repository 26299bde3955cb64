import { ConnectionTimeoutError, SocketClosedUnexpectedlyError } from 'redis';
import { ensureAuthorities, keyPairProblem, readPemFile } from '../pem-files.js';

/** Paths of PEM files. Absent: the authorities that Node.js trusts, and no client certificate. */
export interface RedisTlsFiles {
  /** One or more authorities. Only these are trusted. */
  readonly ca?: string | undefined;
  /** The certificate of this client, and its key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** The setting of each file. */
const SETTINGS = { ca: 'REDIS_TLS_CA_FILE', cert: 'REDIS_TLS_CERT_FILE', key: 'REDIS_TLS_KEY_FILE' } as const;

type TlsOptions = Partial<Record<keyof RedisTlsFiles, string>>;

/**
 * Reads the files. Each connection reads them again, so that renewed certificates need no restart.
 * @throws Error with the setting, the path and the problem, without the content
 */
export function readTlsFiles(files: RedisTlsFiles): TlsOptions {
  const options: TlsOptions = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = files[name];
    if (path !== undefined) options[name] = readPemFile({ setting: SETTINGS[name], path });
  }
  return options;
}

/** @throws Error with the setting and the problem when TLS cannot be used with the files */
export function ensureUsableTlsFiles(files: RedisTlsFiles): void {
  const { cert, key } = readTlsFiles(files);
  if (files.ca !== undefined) ensureAuthorities({ setting: SETTINGS.ca, path: files.ca });
  if (cert === undefined || key === undefined) return;
  const problem = keyPairProblem({ cert, key });
  if (problem !== undefined) {
    throw new Error(`${SETTINGS.cert} and ${SETTINGS.key} are not a certificate and its key: ${problem}`);
  }
}

/** Refusals of a certificate by this client: OpenSSL's and that of Node.js for a name. */
const UNTRUSTED =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(?:GET_ISSUER_CERT|GET_ISSUER_CERT_LOCALLY|VERIFY_LEAF_SIGNATURE)|CERT_(?:SIGNATURE_FAILURE|UNTRUSTED|REJECTED|CHAIN_TOO_LONG)|INVALID_CA)$/;
const INVALID = /^(?:CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|CERT_REVOKED|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/;

/** The remedy for a failed handshake as a sentence after a space; `undefined`: the error is another one. */
export function tlsRemedyOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  if (UNTRUSTED.test(code)) {
    return ' REDIS_TLS_CA_FILE must name the certificate of the authority that has signed the certificate of Redis.';
  }
  if (INVALID.test(code)) return ' The certificate of Redis must be valid, for the host that the gateway connects to.';
  return /ALERT_(?:CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)/.test(code)
    ? ' If Redis demands a certificate of its clients, name it in REDIS_TLS_CERT_FILE, and its key in REDIS_TLS_KEY_FILE.'
    : undefined;
}

/** The remedy when only one side speaks TLS: neither side reports it. Empty: there is none. */
export function toTlsHint(error: unknown, isTls: boolean): string {
  if (isTls && error instanceof ConnectionTimeoutError) {
    return ' If the port does not use TLS, name it with redis:// instead of rediss:// in REDIS_URL.';
  }
  return !isTls && (error instanceof SocketClosedUnexpectedlyError || isReset(error))
    ? ' If the port uses TLS, name it with rediss:// in REDIS_URL.'
    : '';
}

const isReset = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
