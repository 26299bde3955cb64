import { runCommand } from './db/command.js';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const note = (line: string): void => void process.stderr.write(`${line}\n`);

runCommand(process.argv.slice(2), { env: process.env, envFile: '.env', print, note }).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    note(error.message);
    process.exitCode = 1;
  },
);
