package test;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.util.LinkedHashMap;
import java.util.Map;

/** A handler that does what the event's {@code act} says; CLIENT_INIT chooses how the class loads. */
public final class Handler implements RequestHandler<Map<String, Object>, Object> {
    static {
        String init = System.getenv("CLIENT_INIT");
        if ("throw".equals(init)) {
            throw new IllegalStateException("no good start");
        }
        if ("exit".equals(init)) {
            Runtime.getRuntime().halt(3);
        }
    }

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        String act = (String) event.get("act");
        switch (act) {
            case "echo":
                return event.get("value");
            case "measure":
                return ((String) event.get("pad")).length();
            case "repeat":
                return "x".repeat((Integer) event.get("count"));
            case "nothing":
                return null;
            case "pid":
                return ProcessHandle.current().pid();
            case "context":
                return describe(context);
            case "throw":
                throw new IllegalArgumentException("no good");
            case "throw with cause":
                throw new IllegalArgumentException("no good", new IllegalStateException("at heart"));
            case "exit":
                Runtime.getRuntime().exit((Integer) event.get("status"));
                return null;
            case "kill":
                return kill();
            case "sleep":
                return sleep();
            case "recurse":
                return recurse(0);
            case "log":
                return log(context);
            default:
                throw new IllegalArgumentException("no act \"" + act + "\"");
        }
    }

    /** A handler by method that takes another type than the event has. */
    public int takesNumber(Integer event, Context context) {
        return event;
    }

    private static Map<String, Object> describe(Context context) {
        var client = context.getClientContext();
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("requestId", context.getAwsRequestId());
        described.put("remainingMs", context.getRemainingTimeInMillis());
        described.put("functionArn", context.getInvokedFunctionArn());
        described.put("functionName", context.getFunctionName());
        described.put("functionVersion", context.getFunctionVersion());
        described.put("memoryMB", context.getMemoryLimitInMB());
        described.put("logGroup", context.getLogGroupName());
        described.put("logStream", context.getLogStreamName());
        described.put("client", client == null ? null : client.getCustom().get("who"));
        described.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        return described;
    }

    private static Object kill() {
        // ProcessHandle refuses to end its own process.
        try {
            new ProcessBuilder("kill", "-KILL", String.valueOf(ProcessHandle.current().pid())).start();
        } catch (java.io.IOException cause) {
            throw new java.io.UncheckedIOException(cause);
        }
        return sleep();
    }

    private static Object sleep() {
        try {
            Thread.sleep(60_000);
        } catch (InterruptedException ignored) {
            Thread.currentThread().interrupt();
        }
        return null;
    }

    private static int recurse(int depth) {
        return recurse(depth + 1) + 1;
    }

    private static String log(Context context) {
        var logger = context.getLogger();
        logger.log("too quiet", LogLevel.DEBUG);
        logger.log("one line\nand a second one", LogLevel.INFO);
        logger.log("told", LogLevel.ERROR);
        return "logged";
    }
}
