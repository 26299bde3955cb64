import { z } from 'zod';
import { secretList, text } from '../values.js';

/** The push site of the environment, and the file with several. */
export const pushSites = {
  SITE_NAME: z
    .string()
    .optional()
    .describe('name of a push site, with the namespace /SITE_NAME; for several see SITES_FILE'),
  AUTH_URL: z.string().optional().describe('URL whose GET returns the rooms of the holder of the token'),
  AUTH_SCHEME: z.string().default('Bearer').describe('scheme of the Authorization header sent to AUTH_URL'),
  API_KEY: z.string().optional().describe('API key of the site'),
  API_KEYS: secretList().describe('further API keys of the site that are accepted, comma-separated'),
  USER_ROOM_PREFIX: z.string().optional().describe('prefix of the rooms of single users; unset: no message is stored'),
  UPDATE_USER_URL: z
    .string()
    .optional()
    .describe('URL called by PUT when a user connects or disconnects; :id is replaced by the user id'),
  PUBLIC_CHANNEL: z.string().optional().describe('room that clients without a token receive'),
  SITES_FILE: text().default('sites.yml').describe('file with the push sites'),
};
