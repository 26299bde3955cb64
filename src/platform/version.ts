import { createRequire } from 'node:module';
import { z } from 'zod';
import { wireVersion } from '#shared/contracts/index.js';

const { version } = z.object({ version: z.string() }).parse(createRequire(import.meta.url)('#package.json'));

/** The versions of the gateway (`package.json`) and of its wire protocol. */
export const versions = { version, wire: wireVersion } as const;
