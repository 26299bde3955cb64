import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import java.net.URI;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * A client that loses no durable message: it acknowledges what it has handled, and keeps its token fresh. It needs
 * io.socket:socket.io-client:2.1.2, which brings okhttp and org.json.
 *
 * <p>java -cp "&lt;jars&gt;" scripts/examples/Durable.java &lt;token&gt; [url of the gateway]
 */
public final class Durable {
    public static void main(String[] args) {
        String url = args.length > 1 ? args[1] : "http://localhost:4000";
        // `deviceId` names this device for as long as it exists: keep it in a file or in the preferences.
        Map<String, String> auth = new ConcurrentHashMap<>(Map.of("token", fetchToken(args), "deviceId", "phone-1"));
        IO.Options options = IO.Options.builder()
                // Without it the client tries polling first, which the gateway answers with 400 by default.
                .setTransports(new String[] {"websocket"})
                .setAuth(auth)
                .build();
        Socket socket = IO.socket(URI.create(url + "/v1/shared"), options);

        socket.on("notification", arguments -> {
            handle("notification", withoutAck(arguments));
            acknowledge(arguments);
        });
        socket.on("_batch", arguments -> {
            JSONArray events = (JSONArray) arguments[0];
            for (int index = 0; index < events.length(); index++) {
                JSONArray event = events.optJSONArray(index);
                handle(event.optString(0), event.opt(1));
            }
            acknowledge(arguments);
        });
        socket.on("_resync", arguments -> System.out.println("messages were dropped: load everything again"));

        socket.on("auth_expiring", arguments -> socket.emit("refresh_token", new Object[] {tokenOf(args)}, answer ->
                System.out.println("token renewed: " + ((JSONObject) answer[0]).optString("message"))));
        // Each connect needs a fresh token.
        socket.io().on(Manager.EVENT_RECONNECT_ATTEMPT, arguments -> auth.put("token", fetchToken(args)));
        // The gateway closes the socket next. The client does not come back by itself after that.
        socket.on("auth_expired", arguments -> socket.once(Socket.EVENT_DISCONNECT, reason -> {
            auth.put("token", fetchToken(args));
            socket.connect();
        }));

        socket.on(Socket.EVENT_CONNECT, arguments -> System.out.println("connected"));
        socket.on(Socket.EVENT_CONNECT_ERROR, arguments -> {
            Object reason = arguments[0] instanceof Exception ? ((Exception) arguments[0]).getCause() : arguments[0];
            System.err.println("cannot connect to " + url + ": " + reason);
            // A refusal comes as JSON, and the client does not try again. Otherwise the gateway was not reached, and it does.
            if (arguments[0] instanceof JSONObject) comeBack(socket, ((JSONObject) arguments[0]).optJSONObject("data"));
        });
        socket.connect();
    }

    /** Ask your own backend for a token here. */
    private static String fetchToken(String[] args) {
        return args[0];
    }

    /** A refusal passes when it says when to come back, or when something behind the gateway was away. */
    private static void comeBack(Socket socket, JSONObject refusal) {
        boolean isPassing = refusal != null && (refusal.has("retry_after") || refusal.optInt("errno") >= 500);
        if (!isPassing) System.exit(1);
        long seconds = refusal.optLong("retry_after", 5);
        CompletableFuture.delayedExecutor(seconds, TimeUnit.SECONDS).execute(socket::connect);
    }

    private static JSONObject tokenOf(String[] args) {
        try {
            return new JSONObject().put("token", fetchToken(args));
        } catch (JSONException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Store or show an event here. It may come twice, when an acknowledgement was lost. */
    private static void handle(String event, Object... arguments) {
        System.out.println(event + " " + Arrays.toString(arguments));
    }

    /** Durable events have an acknowledgement as their last argument, others have none. */
    private static Object[] withoutAck(Object[] arguments) {
        int last = arguments.length - 1;
        return arguments.length > 0 && arguments[last] instanceof Ack ? Arrays.copyOf(arguments, last) : arguments;
    }

    private static void acknowledge(Object[] arguments) {
        int last = arguments.length - 1;
        if (arguments.length > 0 && arguments[last] instanceof Ack) ((Ack) arguments[last]).call();
    }
}
