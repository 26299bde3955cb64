/* The people, things and times that the examples are about. They fit together: an answer is about what was sent. */

/** Users of the platform. */
export const ADA = '67862093194d24b30b18941c';
export const BEN = '67a094459af8d4f2d387907a';
export const CLEO = '682c2b49b9fcd303afe9b8d8';

/** Their account. */
export const ACCOUNT = '6785f0d23b1c2a7d64e0915f';

/** A channel of the account. */
export const CHANNEL = 'sales';

/** A device of Ada. */
export const DEVICE = 'b3f1c9de-52a4-4d0e-9a37-6f2a4e1c8d55';

/** The beginning of a token; tokens of examples are cut. */
export const TOKEN = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1aWQiOiI2Nzg2MjA5MyJ9.Kf3Yq0WvLJm1';

/** What Ada and Ben look like. */
export const ADA_IMAGE = 'https://cdn.example.com/people/ada.jpg';
export const BEN_IMAGE = 'https://cdn.example.com/people/ben.jpg';
