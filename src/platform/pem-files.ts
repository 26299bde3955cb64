import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** A PEM file, and the setting that names it. */
export interface PemFile {
  readonly setting: string;
  readonly path: string;
}

/** @throws Error with the setting, the path and the problem, without the content */
export function readPemFile({ setting, path }: PemFile): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new Error(`${setting} ${path} cannot be read: ${code}`, { cause: error });
  }
}

/**
 * Node.js ignores what it cannot read in place of an authority, and then trusts none.
 * @throws Error with the setting and the path when the file does not hold certificates
 */
export function ensureAuthorities(file: PemFile): void {
  const certificates = readPemFile(file).match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  if (certificates.length > 0 && certificates.every(isCertificate)) return;
  throw new Error(`${file.setting} ${file.path} holds no valid certificate in PEM format`);
}

/** @returns why the two cannot be used together; `undefined`: they can */
export function keyPairProblem(pair: {
  cert: string;
  key: string;
  passphrase?: string | undefined;
}): string | undefined {
  try {
    createSecureContext(pair);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}
