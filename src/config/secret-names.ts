/** How the content of a file becomes a value: one line, several (one value a line), or the whole text. */
export type SecretForm = 'line' | 'lines' | 'text';

/**
 * The settings that hold a secret. Each can be read from the file that `NAME_FILE` names, and its value is never shown. A test
 * compares the names with those of all settings.
 */
export const SECRETS: Readonly<Record<string, SecretForm>> = {
  MONGODB_URL: 'line',
  REDIS_URL: 'line',
  JWT_SECRET: 'line',
  JWT_SECRETS: 'lines',
  EMIT_API_KEYS: 'lines',
  CONSOLE_KEYS: 'lines',
  API_KEY: 'line',
  API_KEYS: 'lines',
  FIREBASE_SERVICE_ACCOUNT: 'text',
};

/** The setting that names the file of a secret. */
export const fileVariableOf = (name: string): string => `${name}_FILE`;
