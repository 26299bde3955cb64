import { startEmbedded } from '../../../src/embedded/index.js';

/* The parent of a database process, in the role of the gateway. The test kills it. */
const [, , directory = ''] = process.argv;
const { url, pid } = await startEmbedded({ directory });
process.send?.({ url, pid });
