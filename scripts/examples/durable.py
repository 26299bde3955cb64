"""A client that loses no durable message: it acknowledges what it has handled, and keeps its token fresh.

pip install python-socketio aiohttp
python3 scripts/examples/durable.py <token> [url of the gateway]
"""

import asyncio
import sys

import socketio

NAMESPACE = '/v1/shared'


async def handle(event, *args):
    """Store or show an event here. It may come twice, when an acknowledgement was lost."""
    print(event, *args, flush=True)


async def fetch_token():
    """Ask your own backend for a token here."""
    return sys.argv[1]


async def credentials():
    """Each connect needs a fresh token. `deviceId` names this device for as long as it exists: keep it in a file."""
    return {'token': await fetch_token(), 'deviceId': 'laptop-2'}


async def main(url):
    client = socketio.AsyncClient()

    # python-socketio acknowledges when a handler returns, and also when an event has no handler. So there is a handler
    # for every event. One that raises leaves the event unacknowledged: it comes again at the next connect.
    @client.on('*', namespace=NAMESPACE)
    async def any_event(event, *args):
        await handle(event, *args)

    @client.on('_batch', namespace=NAMESPACE)
    async def batch(events):
        for event, *args in events:
            await handle(event, *args)

    @client.on('_resync', namespace=NAMESPACE)
    async def resync():
        print('messages were dropped: load everything again', flush=True)

    @client.on('auth_expiring', namespace=NAMESPACE)
    async def auth_expiring(_data):
        answer = await client.call('refresh_token', {'token': await fetch_token()}, namespace=NAMESPACE)
        print('token renewed:', answer['message'], flush=True)

    @client.on('connect_error', namespace=NAMESPACE)
    async def refused(data):
        print(f'cannot connect to {url}: {data}', file=sys.stderr, flush=True)

    # Without `transports` python-socketio tries polling first, which the gateway answers with 400 by default.
    try:
        await client.connect(
            url,
            namespaces=[NAMESPACE],
            auth=credentials,
            transports=['websocket'],
        )
    except socketio.exceptions.ConnectionError as error:
        sys.exit(f'cannot connect to {url}: {error}')
    print('connected', flush=True)
    await client.wait()


asyncio.run(main(sys.argv[2] if len(sys.argv) > 2 else 'http://localhost:4000'))
