import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A backend that sends a durable event. It retries with the same idempotency key, so the event is stored once. It needs
 * Java 11 or newer and no library; an application reads the answer with its own JSON library.
 *
 * <p>GATEWAY_KEY=&lt;one of EMIT_API_KEYS&gt; java scripts/examples/Backend.java &lt;user id&gt; [url of the gateway]
 */
public final class Backend {
    private static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
    private static final long[] PAUSES_MS = {0, 200, 400, 800};

    public static void main(String[] args) throws InterruptedException {
        if (args.length == 0) {
            System.err.println("the id of a user is needed");
            System.exit(2);
        }
        String base = args.length > 1 ? args[1] : "http://localhost:4000";
        // Where the event has an id of its own, such as that of the lead, derive the key from it.
        String key = UUID.randomUUID().toString();
        try {
            String answer = emit(base, args[0], "{\"title\":\"New Lead\",\"message\":\"You have a new lead!\"}", key);
            System.out.println("stored as " + field(answer, "id") + ", " + field(answer, "state"));
        } catch (IOException error) {
            System.err.println("not sent: " + base + ": " + error.getMessage());
            System.exit(1);
        }
    }

    /**
     * @return the answer
     * @throws IOException when the call was refused, or failed after all retries
     */
    private static String emit(String base, String user, String payload, String key)
            throws IOException, InterruptedException {
        String path = String.format("/emit/%s/notification?durable=true&ttl=86400", encode(user));
        HttpRequest.Builder builder = HttpRequest.newBuilder(URI.create(base + path))
                .timeout(Duration.ofSeconds(10))
                .header("content-type", "application/json")
                .header("idempotency-key", key)
                .POST(HttpRequest.BodyPublishers.ofString(payload));
        if (System.getenv("GATEWAY_KEY") != null) builder.header("x-api-key", System.getenv("GATEWAY_KEY"));

        String problem = "";
        for (long pauseMs : PAUSES_MS) {
            String retryAfterMs = field(problem, "retryAfterMs");
            Thread.sleep(Math.max(pauseMs, retryAfterMs.isEmpty() ? 0 : Long.parseLong(retryAfterMs)));
            try {
                HttpResponse<String> response = CLIENT.send(builder.build(), HttpResponse.BodyHandlers.ofString());
                int status = response.statusCode();
                if (status == 200) return response.body();
                problem = response.body();
                if (status != 429 && status < 500) break;
            } catch (IOException error) {
                problem = error.toString();
            }
        }
        throw new IOException(problem);
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /** A text or number of a JSON object, or an empty text. */
    private static String field(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"?([^\",}]+)").matcher(json);
        return found.find() ? found.group(1) : "";
    }
}
