import { render } from 'preact';
import { startClock } from './clock.js';
import { startRouter } from './routes.js';
import { startSession } from './session.js';
import { Shell } from './shell.js';
import { startTheme } from './theme.js';

startTheme();
startRouter();
startClock();
const root = document.getElementById('root');
if (root !== null) render(<Shell />, root);
void startSession();
