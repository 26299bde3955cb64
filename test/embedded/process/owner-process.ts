import { startEmbedded } from '../../../src/embedded/index.js';

/* What the gateway is to the database: its parent. The test kills this process. */
const [, , directory = ''] = process.argv;
const { url, pid } = await startEmbedded({ directory });
process.send?.({ url, pid });
