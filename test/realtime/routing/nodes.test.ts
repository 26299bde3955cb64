import { createTestEnvironment } from '../../support/environment.js';
import { testDirectedDelivery } from './directed-suite.js';

testDirectedDelivery(() => createTestEnvironment({ nodes: 3 }));
