/** The oldest supported Node.js, as `engines` in `package.json`. */
export const OLDEST_NODE = '20.19.0';

/** What to do about a version of Node.js that is too old; `undefined`: nothing. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE.split('.').map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return `Node.js ${version} is too old: install ${OLDEST_NODE} or newer.`;
}
