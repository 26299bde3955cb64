import { describe } from 'vitest';
import { useSetting } from './setting.js';
import { testActs } from './views/acts.js';
import { testLive } from './views/live.js';
import { testNames } from './views/names.js';
import { testOverview } from './views/overview.js';
import { testTry } from './views/try.js';
import { testUsers } from './views/users.js';

/*
 * The page in a browser. One file, because a browser, two nodes and the built page take seconds to start. The overview is
 * last: it ends nodes.
 */
const setting = useSetting();

describe('users', () => testUsers(setting));
describe('acts', () => testActs(setting));
describe('names that clients choose', () => testNames(setting));
describe('live', () => testLive(setting));
describe('try it', () => testTry(setting));
describe('overview and sites', () => testOverview(setting));
