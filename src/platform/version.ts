import { createRequire } from 'node:module';
import { z } from 'zod';
import { wireVersion } from '#shared/contracts/index.js';

const { version } = z.object({ version: z.string() }).parse(createRequire(import.meta.url)('#package.json'));

/** Which gateway this is: its version in `package.json`, and that of the wire it speaks. */
export const versions = { version, wire: wireVersion } as const;
