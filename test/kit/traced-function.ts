/** A function with the OpenTelemetry SDK for JavaScript as its users have it, in one file. */
import { build, stop } from "esbuild";

const source = `
import { ROOT_CONTEXT, SpanKind, defaultTextMapGetter, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { AWSXRayPropagator } from "@opentelemetry/propagator-aws-xray";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const exporter = new OTLPTraceExporter({ url: process.env.COLLECTOR + "/v1/traces" });
const provider = new TracerProvider({
  resource: resourceFromAttributes({ "service.name": "code" }),
  spanProcessors: [new BatchSpanProcessor({ exporter })],
});
const propagator = new AWSXRayPropagator();

export const handler = async (event, context) => {
  const carrier = { "x-amzn-trace-id": process.env._X_AMZN_TRACE_ID ?? "" };
  const parent = propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
  const span = provider.getTracer("code").startSpan("handler", { kind: SpanKind.INTERNAL }, parent);
  span.setAttribute("faas.invocation_id", context.awsRequestId);
  span.end();
  await provider.forceFlush();
  return { header: carrier["x-amzn-trace-id"], parent: trace.getSpanContext(parent)?.spanId ?? null };
};`;

/** Text of an CommonJS module with `handler`; variable `COLLECTOR` is the base URL of a collector. */
export async function tracedFunction(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: "js" },
    ...{ bundle: true, minify: true, write: false, platform: "node", target: "node22", format: "cjs" },
    legalComments: "none",
  });
  await stop();
  return outputFiles[0]?.text ?? "";
}
