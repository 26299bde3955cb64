import { storeAllVariants } from '../../support/odd-values.js';

/* The tests of `odd-documents.test.ts`, with every odd value in every field. */
storeAllVariants();
await import('./odd-documents.test.js');
