// Prints the notifications of a user.
//
//   node scripts/examples/listen.mjs <token> [url of the gateway]
import { io } from 'socket.io-client';

const [, , token, url = 'http://localhost:4000'] = process.argv;

const socket = io(`${url}/v1/shared`, { transports: ['websocket'], auth: { token } });

socket.on('connect', () => console.log('connected'));
socket.on('notification', (data) => console.log('received', data));

socket.on('connect_error', ({ message, data, description }) => {
  // A refusal has `data`, and the client does not try again. Otherwise the gateway was not reached, and it does.
  console.error(`cannot connect to ${url}:`, message, data ?? description?.error?.code ?? '');
  if (!socket.active) process.exitCode = 1;
});
