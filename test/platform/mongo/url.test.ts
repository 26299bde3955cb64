import { mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { readConfig } from '../../../src/config.js';
import { parseMongoUrl } from '../../../src/platform/mongo/url.js';

/** What the start says about a connection string; empty when it takes it. */
function complaintAbout(MONGODB_URL: string): string {
  try {
    readConfig({ MONGODB_URL });
    return '';
  } catch (error) {
    return (error as Error).message.replace(/^.*\n\s*/, '');
  }
}

test.each([
  'mongodb://a:27017,b:27017,c:27017/gs?replicaSet=rs0',
  'mongodb://user:p%40ss%2Fword@a,b:27018/gs?authSource=admin&replicaSet=rs0&tls=true',
  'mongodb+srv://user:secret@cluster0.abcde.mongodb.net/gs?retryWrites=true&w=majority&appName=x',
  'mongodb://%2Ftmp%2Fmongodb-27017.sock/gs',
  'mongodb://[::1]:27017,[fe80::1]/gs',
  'mongodb://localhost',
  'mongodb://localhost/?directConnection=true&compressors=zlib,none&maxPoolSize=7',
])('accepts %s', (url) => {
  expect(complaintAbout(url)).toBe('');
  const hostsOf = (text: string): string[] => new mongo.MongoClient(text).options.hosts.map(String);
  expect(hostsOf(parseMongoUrl(url).url)).toEqual(hostsOf(url));
  expect(readConfig({ MONGODB_URL: url }).storage.mongodbUrl).toBe(url);
});

const PASSWORD = 'hunter2-secret';

test.each([
  [`http://u:${PASSWORD}@host`, /Invalid scheme/],
  [`mongodb://u:${PASSWORD}@/`, /host list/],
  [`mongodb://u:${PASSWORD}/1@host/db`, /Password contains unescaped characters/],
  [`mongodb://u:1@${PASSWORD}@host/db`, /Invalid connection string/],
  [`mongodb://u:1@2/${PASSWORD}@host/db`, /unescaped characters/],
  [`mongodb://u:${PASSWORD}%@host/db`, /malformed/],
  [`mongodb://u:${PASSWORD}@host:99999/db`, /host:99999/],
  [`mongodb://u:${PASSWORD}@host/?passwrod=1`, /passwrod is not supported/],
  [`mongodb://u:${PASSWORD}@host/?maxPoolSize=many`, /maxPoolSize/],
  [`mongodb://u:${PASSWORD}@host/?readPreference=nowhere`, /read preference mode "nowhere"/],
  [`mongodb://u:${PASSWORD}@a,b/?directConnection=true`, /directConnection/],
  [`mongodb+srv://u:${PASSWORD}@a.b.c,d.e.f/`, /multiple service names/],
])("refuses %s with the variable and the driver's message, without the password", (url, words) => {
  const complaint = complaintAbout(url);
  expect(complaint).toMatch(/^MONGODB_URL: .+/);
  expect(complaint).toMatch(words);
  expect(complaint).not.toContain(PASSWORD);
  expect(complaint).not.toContain('\n');
});

test('ignores options that the gateway sets itself, in any case, and names them', () => {
  const { url, ignored } = parseMongoUrl(
    'mongodb://u:p%40ss@a,b/gs?replicaSet=rs0&READPREFERENCE=nearest&readPreferenceTags=dc:a&readPreferenceTags=&' +
      'maxStalenessSeconds=90&w=0&journal=false&wtimeoutMS=5&readConcernLevel=available&retrywrites=false&retryReads=false&maxPoolSize=7',
  );
  const { options } = new mongo.MongoClient(url);
  expect(options).toMatchObject({ replicaSet: 'rs0', maxPoolSize: 7, retryWrites: true, retryReads: true });
  expect(options.readPreference.mode).toBe('primary');
  expect([options.writeConcern, options.readConcern]).toEqual([undefined, undefined]);
  expect(options.credentials?.password).toBe('p@ss');
  expect([...ignored].sort()).toEqual([
    'journal',
    'maxStalenessSeconds',
    'readConcernLevel',
    'readPreference',
    'readPreferenceTags',
    'retryReads',
    'retryWrites',
    'w',
    'wtimeoutMS',
  ]);
});
