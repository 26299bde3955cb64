import { parseDocument } from 'yaml';
import { readTextFile } from './text-file.js';

/** Content of a YAML file: strings, lists and maps. Scalars stay strings as written, such as `054321`. */
export interface YamlFile {
  /** `undefined` for a missing or empty file. */
  readonly content: Readonly<Record<string, unknown>> | undefined;
  /** Problems of the file. They never quote its content, which may be secret. */
  readonly problems: readonly string[];
}

const NOTHING: YamlFile = { content: undefined, problems: [] };

/**
 * Reads a file that contains a map.
 * @param setting where the path is set, for messages; `undefined`: it is the default, and the file may be missing
 */
export function readYamlFile(path: string, setting: string | undefined): YamlFile {
  const file = readTextFile(path);
  if ('problem' in file) {
    if (setting !== undefined) return { ...NOTHING, problems: [`${setting}: ${path} ${file.problem}`] };
    return file.isMissing ? NOTHING : { ...NOTHING, problems: [`${path}: ${file.problem}`] };
  }
  const { content, problems } = parseYaml(file.text);
  return { content, problems: problems.map((problem) => `${path}: ${problem}`) };
}

function parseYaml(text: string): YamlFile {
  // Scalars stay strings: a key may look like a number.
  const document = parseDocument(text, { schema: 'failsafe', merge: true, logLevel: 'error' });
  if (document.errors.length > 0)
    return { ...NOTHING, problems: document.errors.map(({ message }) => headOf(message)) };
  try {
    const content: unknown = document.toJS();
    if (content === null || content === '') return NOTHING;
    return isMap(content) ? { content, problems: [] } : { ...NOTHING, problems: ['must contain a map'] };
  } catch {
    return { ...NOTHING, problems: ['it has unknown aliases, or aliases nested too deeply'] };
  }
}

/** The lines after the first quote the file. */
const headOf = (message: string): string => message.split('\n', 1).join('').replace(/:$/, '');

/** Whether a value is a map. */
export const isMap = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);
