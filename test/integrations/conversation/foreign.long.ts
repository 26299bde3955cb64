import { storeAllVariants } from '../../support/odd-values.js';

/* The tests of `foreign.test.ts`, with every odd value in every field. */
storeAllVariants();
await import('./foreign.test.js');
