import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCertificate } from './certificate.js';

/** Paths of the certificate and the key of a Redis of a test. The certificate is its own authority. */
export interface TestTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Whether clients need a certificate, as Redis demands by default. */
  readonly demandsCertificates: boolean;
}

/** Makes a certificate for `hosts` in a new directory in `directory`. */
export async function createTestTls(
  directory: string,
  { name, hosts = ['127.0.0.1'], demandsCertificates = false }: TestTlsOptions,
): Promise<TestTls> {
  const place = join(directory, name);
  await mkdir(place);
  const { key, cert } = createCertificate(hosts);
  const [certFile, keyFile] = [join(place, 'cert.pem'), join(place, 'key.pem')];
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
  return { certFile, keyFile, demandsCertificates };
}

interface TestTlsOptions {
  readonly name: string;
  readonly hosts?: readonly string[];
  readonly demandsCertificates?: boolean;
}

/** Lines of a configuration of Redis that listens with TLS only, also for replicas and the bus of a cluster. */
export const toTlsLines = (port: number, { certFile, keyFile, demandsCertificates }: TestTls): string[] => [
  'port 0',
  `tls-port ${port}`,
  'tls-replication yes',
  'tls-cluster yes',
  `tls-cert-file ${certFile}`,
  `tls-key-file ${keyFile}`,
  `tls-ca-cert-file ${certFile}`,
  `tls-auth-clients ${demandsCertificates ? 'yes' : 'no'}`,
];

/** Options of node-redis. */
export function toTlsOptions(tls: TestTls | undefined) {
  if (tls === undefined) return {};
  const cert = readFileSync(tls.certFile, 'utf8');
  return { host: '127.0.0.1', tls: true as const, ca: cert, cert, key: readFileSync(tls.keyFile, 'utf8') };
}
