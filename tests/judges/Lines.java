// Java's own HTTP client with its defaults: `java Lines.java CLIENT < tasks`. It offers HTTP/2 with each request.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Lines {
    static final List<String> ENDS = List.of("completed", "failed", "cancelled");
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    static String field(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\": ?\"?([^,\"}]*)").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    /** True where the server says that there is no more. */
    static boolean follow(String url, boolean post, boolean stays, List<String> events) throws Exception {
        String cursor = "";
        while (true) {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
            if (!cursor.isEmpty()) request.header("Last-Event-ID", cursor);
            if (post) {
                request.header("Content-Type", "application/json").header("Accept", "text/event-stream");
                request.header("Idempotency-Key", System.getenv("POST_KEY"));
                request.POST(HttpRequest.BodyPublishers.ofString(System.getenv("POST_BODY")));
            }
            try {
                HttpResponse<java.util.stream.Stream<String>> answer =
                        CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofLines());
                if (answer.statusCode() == 204) return true;
                Map<String, String> fields = new HashMap<>();
                boolean any = false;
                for (String line : (Iterable<String>) answer.body()::iterator) {
                    int colon = line.indexOf(": ");
                    if (colon > 0) fields.put(line.substring(0, colon), line.substring(colon + 2));
                    if (!line.isEmpty() || !fields.containsKey("data")) continue;
                    String id = fields.getOrDefault("id", "");
                    String type = fields.getOrDefault("event", "message");
                    any = any || !id.isEmpty();
                    if (!id.isEmpty()) cursor = id;
                    synchronized (events) {
                        events.add("[" + quoted(id) + "," + quoted(type) + "," + quoted(fields.get("data")) + "]");
                    }
                    fields.clear();
                    if (ENDS.contains(type) && !stays) return false;
                }
                if (post && !any) return true;
            } catch (java.io.IOException | java.io.UncheckedIOException lost) {
                Thread.sleep(200);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newCachedThreadPool();
        boolean post = arguments[0].endsWith("POST");
        List<Future<?>> begun = new ArrayList<>();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            String task = line;
            List<String> events = new ArrayList<>();
            begun.add(pool.submit(() -> {
                boolean itself = false;
                var run = pool.submit(() -> follow(field(task, "url"), post, task.contains("\"stays\": true"), events));
                try {
                    itself = run.get(Long.parseLong(field(task, "seconds")), TimeUnit.SECONDS);
                } catch (Exception late) {
                    run.cancel(true);
                }
                synchronized (events) {
                    String told = "[" + String.join(",", events) + "]";
                    System.out.println("{\"name\":" + field(task, "name") + ",\"events\":" + told + ",\"itself\":" + itself + "}");
                }
            }));
        }
        for (Future<?> one : begun) one.get();
        System.exit(0);
    }
}
