import { ensureAuthorities, keyPairProblem, type PemFile, readPemFile } from '../pem-files.js';
import type { MongoUrl } from './url.js';

/**
 * The driver reads the files for each connection, and takes any problem of theirs for one of the server.
 * @throws Error with the option, the path and the problem when a file that the connection string names cannot be used
 */
export function ensureUsableTlsFiles({ optionOf }: Pick<MongoUrl, 'optionOf'>): void {
  const fileOf = (option: string): PemFile | undefined => {
    const path = optionOf(option);
    return path === undefined ? undefined : { setting: `${option} of MONGODB_URL:`, path };
  };
  const [ca, own, revoked] = [fileOf('tlsCAFile'), fileOf('tlsCertificateKeyFile'), fileOf('tlsCRLFile')];
  if (ca !== undefined) ensureAuthorities(ca);
  if (revoked !== undefined) readPemFile(revoked);
  if (own === undefined) return;
  const pem = readPemFile(own);
  const problem = keyPairProblem({ cert: pem, key: pem, passphrase: optionOf('tlsCertificateKeyFilePassword') });
  if (problem !== undefined) {
    throw new Error(`${own.setting} ${own.path} does not hold a certificate and its key: ${problem}`);
  }
}
