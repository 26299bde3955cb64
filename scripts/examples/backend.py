"""A backend that sends a durable event. It retries with the same idempotency key, so the event is stored once.

GATEWAY_KEY=<one of EMIT_API_KEYS> python3 scripts/examples/backend.py <user id> [url of the gateway]
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

if len(sys.argv) < 2:
    sys.exit('the id of a user is needed')
USER = urllib.parse.quote(sys.argv[1], safe='')
URL = sys.argv[2] if len(sys.argv) > 2 else 'http://localhost:4000'


def post(path, headers, body):
    """One attempt. Returns the status and the answer; the status is 0 when there is no answer."""
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers, method='POST')
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        try:
            return error.code, json.load(error)
        except ValueError:
            return error.code, {'message': error.reason}
    except (OSError, ValueError) as error:
        return 0, {'message': str(error)}


def emit(event, payload, idempotency_key):
    """Returns the `data` of the answer. Raises RuntimeError when the call was refused, or failed after all retries."""
    path = f'/emit/{USER}/{event}?durable=true&ttl=86400'
    headers = {'content-type': 'application/json', 'idempotency-key': idempotency_key}
    if 'GATEWAY_KEY' in os.environ:
        headers['x-api-key'] = os.environ['GATEWAY_KEY']
    answer = {}
    for pause in (0, 0.2, 0.4, 0.8):
        time.sleep(max(pause, answer.get('retryAfterMs', 0) / 1000))
        status, answer = post(path, headers, payload)
        if status == 200:
            return answer['data']
        if status not in (0, 429) and status < 500:
            break
    raise RuntimeError(json.dumps(answer))


try:
    # Where the event has an id of its own, such as that of the lead, derive the key from it.
    sent = emit('notification', {'title': 'New Lead', 'message': 'You have a new lead!'}, str(uuid.uuid4()))
    print(f'stored as {sent["id"]}, {sent["state"]}')
except RuntimeError as error:
    sys.exit(f'not sent: {URL}: {error}')
