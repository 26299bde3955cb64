import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { onTestFinished } from 'vitest';

/** Replaces a function of `node:fs` until the end of the test. @param replace - makes it from the original */
export function replaceInFs<Name extends 'renameSync' | 'writeFileSync'>(
  name: Name,
  replace: (original: (typeof fs)[Name]) => (typeof fs)[Name],
): void {
  const original = fs[name];
  const use = (used: (typeof fs)[Name]): void => {
    fs[name] = used;
    // The named imports of modules follow.
    syncBuiltinESMExports();
  };
  onTestFinished(() => use(original));
  use(replace(original));
}
