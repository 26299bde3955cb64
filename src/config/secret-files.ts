import { fileVariableOf, SECRETS, type SecretForm } from './secret-names.js';
import { readTextFile } from './text-file.js';

/** A secret that was read from a file, or the problem of its file, which never quotes the content. */
export type SecretFile = { readonly value: string } | { readonly problem: string };

/**
 * Reads a secret as Docker and Kubernetes mount it. Line breaks at the end do not count.
 * @param path a file; a link is followed
 */
export function readSecretFile(path: string, form: SecretForm): SecretFile {
  const file = readTextFile(path);
  if ('problem' in file) return { problem: `${path} ${file.problem}` };
  const value = file.text.replace(/[\r\n]+$/, '');
  if (value.trim() === '') return { problem: `${path} is empty` };
  if (form === 'lines') return { value: value.split(/[\r\n]+/).join(',') };
  if (form === 'line' && /[\r\n]/.test(value)) return { problem: `${path} has several lines; it must hold one value` };
  return { value };
}

/** The secrets from files. */
export interface SecretFiles {
  /** Values by the name of the secret, such as `JWT_SECRET`. */
  readonly values: Readonly<Record<string, string>>;
  /** The files that are named, whether they can be read or not. */
  readonly paths: Readonly<Record<string, string>>;
  /** Problems by the name of the setting, such as `JWT_SECRET_FILE`. */
  readonly problems: readonly (readonly [variable: string, problem: string])[];
}

/** Reads the secrets whose files are named. @param variables without empty values */
export function readSecretFiles(variables: Readonly<Record<string, string>>): SecretFiles {
  const values: Record<string, string> = {};
  const paths: Record<string, string> = {};
  const problems: [string, string][] = [];
  for (const [name, form] of Object.entries(SECRETS)) {
    const variable = fileVariableOf(name);
    const path = variables[variable];
    if (path === undefined) continue;
    paths[name] = path;
    if (variables[name] !== undefined) {
      problems.push([variable, `${name} is set too; remove one of the two`]);
      continue;
    }
    const file = readSecretFile(path, form);
    if ('problem' in file) problems.push([variable, file.problem]);
    else values[name] = file.value;
  }
  return { values, paths, problems };
}
