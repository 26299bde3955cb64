// Says something in a conversation of the demo account, and prints what the others say.
//
//   npm run --silent seed
//   node scripts/examples/talk.mjs <token of Ben> [text] [url of the gateway]
import { io } from 'socket.io-client';

const [, , token, text = 'Hello', url = 'http://localhost:4000'] = process.argv;

const socket = io(`${url}/v1/conversation`, { transports: ['websocket'], auth: { token } });

socket.on('connect_error', ({ message, data, description }) => {
  console.error(`cannot connect to ${url}:`, message, data ?? description?.error?.code ?? '');
  process.exit(1);
});
socket.on('message', ({ sent_by, data }) => console.log(`${sent_by.name}: ${data}`));
socket.on('counters', ({ channel_id, counters }) => console.log('counters of', channel_id, counters));

/** Emits an event. @returns the `data` of its answer @throws when it failed, or was not answered in time */
async function ask(event, data) {
  const answer = await socket.timeout(20_000).emitWithAck(event, data);
  if (!answer.success) throw new Error(`${event}: ${answer.message} ${JSON.stringify(answer.additional_info)}`);
  return answer.data;
}

const { conversation } = await ask('list_conversation', { search: 'launch' });
const [launch] = conversation;
if (launch === undefined) {
  console.error('This user has no such conversation. Run `npm run --silent seed` and use one of its tokens.');
  process.exit(1);
}
console.log(`${launch.title}: ${launch.unread_count} unread, last: ${launch.last_activity.data}`);
await ask('read', { conversation_id: launch._id });
await ask('message', { conversation_id: launch._id, data: text });
console.log('sent');
