import { createApp } from '../../../src/app.js';
import { readConfig } from '../../../src/config.js';
import { reportUsage } from './report-usage.js';

/** The gateway with the settings of the environment, as in production, plus usage reports. */
const app = createApp(readConfig(process.env));
const { port } = await app.start();
reportUsage(port, app.close);
