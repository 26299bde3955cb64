<?php
// A backend that sends a durable event. It retries with the same idempotency key, so the event is stored once.
//
//   GATEWAY_KEY=<one of EMIT_API_KEYS> php scripts/examples/backend.php <user id> [url of the gateway]
declare(strict_types=1);

/** One attempt. Returns the status and the answer; the status is 0 when there is no answer. */
function post(string $url, array $headers, array $payload): array
{
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => $headers,
        'content' => json_encode($payload, JSON_THROW_ON_ERROR),
        'ignore_errors' => true,
        'timeout' => 10,
    ]]);
    $text = @file_get_contents($url, false, $context);
    if ($text === false) {
        return [0, ['message' => error_get_last()['message'] ?? 'no answer']];
    }
    preg_match('/^HTTP\/\S+ (\d+)/', $http_response_header[0], $found);
    return [(int) $found[1], json_decode($text, true) ?? ['message' => $text]];
}

/** Returns the `data` of the answer. Throws when the call was refused, or failed after all retries. */
function emit(string $base, string $user, array $payload, string $key): array
{
    $user = rawurlencode($user);
    $path = "/emit/$user/notification?durable=true&ttl=86400";
    $headers = ['content-type: application/json', "idempotency-key: $key"];
    if (getenv('GATEWAY_KEY')) {
        $headers[] = 'x-api-key: ' . getenv('GATEWAY_KEY');
    }
    $answer = [];
    foreach ([0, 200, 400, 800] as $pauseMs) {
        usleep(1000 * (int) max($pauseMs, $answer['retryAfterMs'] ?? 0));
        [$status, $answer] = post($base . $path, $headers, $payload);
        if ($status === 200) {
            return $answer['data'];
        }
        if ($status !== 0 && $status !== 429 && $status < 500) {
            break;
        }
    }
    throw new RuntimeException("$base: " . json_encode($answer));
}

if ($argc < 2) {
    fwrite(STDERR, "the id of a user is needed\n");
    exit(2);
}
try {
    // Where the event has an id of its own, such as that of the lead, derive the key from it.
    $key = bin2hex(random_bytes(16));
    $lead = ['title' => 'New Lead', 'message' => 'You have a new lead!'];
    $sent = emit($argv[2] ?? 'http://localhost:4000', $argv[1], $lead, $key);
    echo "stored as {$sent['id']}, {$sent['state']}\n";
} catch (RuntimeException $error) {
    fwrite(STDERR, "not sent: {$error->getMessage()}\n");
    exit(1);
}
