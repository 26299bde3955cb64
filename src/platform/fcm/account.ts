import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:https';
import type { Credential, ServiceAccount } from 'firebase-admin/app';

/** Sources of the push credentials. Both absent: push is off. */
export interface PushSettings {
  /** `FIREBASE_SERVICE_ACCOUNT`: a service account as JSON, or its path. */
  readonly serviceAccount: string | undefined;
  /** `GOOGLE_APPLICATION_CREDENTIALS`: the path of any credentials that Google's libraries accept. */
  readonly credentialsPath: string | undefined;
}

/**
 * Reads the configured credentials. Errors never quote them.
 * @throws Error with the variable's name when they cannot be used
 */
export async function readCredential(settings: PushSettings, agent: Agent): Promise<Credential> {
  const { serviceAccount, credentialsPath } = settings;
  const isOwn = serviceAccount !== undefined;
  const name = isOwn ? 'FIREBASE_SERVICE_ACCOUNT' : 'GOOGLE_APPLICATION_CREDENTIALS';
  const isJson = isOwn && serviceAccount.trimStart().startsWith('{');
  const path = serviceAccount ?? credentialsPath ?? '';
  const account = parseObject(name, isJson ? serviceAccount : await readText(name, path));
  const { applicationDefault, cert } = await import('firebase-admin/app');
  try {
    // Other credentials are left to Google's library, which reads the same variable.
    const isServiceAccount = isOwn || account['type'] === 'service_account';
    if (!isServiceAccount) return applicationDefault(agent);
    // Given a file, the library uses the agent for everything; given an object, not for access tokens.
    return cert(isJson ? (account as ServiceAccount) : path, agent);
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : 'is not a service account'}`);
  }
}

async function readText(name: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${name}: the file cannot be read (${code ?? 'unknown reason'})`);
  }
}

function parseObject(name: string, text: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`${name}: does not hold JSON of an account`);
  return parsed as Record<string, unknown>;
}
