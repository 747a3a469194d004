/** Real runtime interface clients, unmodified, under the built agent and supervisor: what each does and what its caller is told. */
import assert from "node:assert/strict";
import { stimuli, type Behaviour, type Expected, type Stimulus } from "../clients/behaviours.ts";
import { buildClient } from "../clients/build.ts";
import { clientNames, clients, type ClientName } from "../clients/clients.ts";
import { invocationAnswerHeaders, invocationHeaders, streamTrailers } from "../../crds/wire/environment.ts";
import { expectations } from "../clients/expectations.ts";
import { streams, type Streamed } from "../clients/streams.ts";
import { arn, type AgentEnvironment } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { openConnections, startClient } from "../kit/client-environment.ts";
import type { Exchange } from "../kit/exchange.ts";

/** A client may have one for each of its threads. */
const mostConnections = 8;
type Answered = Exchange & { readonly requestId: string };

for (const name of clientNames) describeClient(name);

function describeClient(name: ClientName): void {
  describe(clients[name].title, function () {
    const { behaviours, own, contentType, errorMembers, jsonLog, textLog, calls, keepsConnections } =
      expectations[name];
    this.timeout(60_000);
    let environment: AgentEnvironment;

    before(async function () {
      this.timeout(20 * 60_000);
      await buildSupervisor();
      await buildClient(name, (line) => process.stderr.write(`    ${line}\n`));
    });
    afterEach(async () => environment.stop());

    const all: readonly (Stimulus & { readonly expected: Expected })[] = [
      ...Object.entries(stimuli).map(([key, stimulus]) => ({ ...stimulus, expected: behaviours[key as Behaviour] })),
      ...own,
    ];
    for (const { expected, ...stimulus } of all) {
      it(stimulus.title, async () => {
        environment = await startClient(name, stimulus.document);
        const before = isInit(stimulus) ? undefined : await pid();
        assertExpected(await invoke(stimulus), expected);
        // After a timeout the next call repeats the init within its own short time, which a busy machine may not manage.
        if (before === undefined) assertExpected(await invoke(stimulus), expected);
        else if (stimulus.document?.timeoutSeconds === undefined)
          assert.equal((await pid()) === before, staysAlive(expected));
      });
    }

    for (const { title, event, streamed, whole, timeoutSeconds = 20 } of streams[name]?.cases ?? []) {
      const { handler = clients[name].handler } = streams[name] ?? {};

      it(`${title}; the caller takes it as it comes`, async () => {
        environment = await startClient(name, { handler, timeoutSeconds });
        const answer = await invoke({ event, headers: { [invocationHeaders.responseMode]: "streaming" } });
        if ("body" in streamed) assertStreamed(answer, streamed);
        else assertExpected(answer, streamed);
      });

      it(`${title}; the caller takes the whole`, async () => {
        environment = await startClient(name, { handler, timeoutSeconds });
        assertExpected(await invoke({ event }), whole);
      });
    }

    it("runtime-api 3, 4, 6: is given what the headers say", async () => {
      environment = await startClient(name, { timeoutSeconds: 20 });
      const functionArn = `${arn}:live`;
      const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
      const answer = await invoke({
        event: { act: "context" },
        headers: {
          "x-kubelambda-function-arn": functionArn,
          "x-amz-client-context": Buffer.from('{"custom":{"who":"me"}}').toString("base64"),
          "x-amzn-trace-id": trace,
        },
      });
      const { remainingMs, logStream, ...told } = JSON.parse(answer.body.toString()) as Record<string, unknown>;
      assert.deepEqual(told, {
        requestId: answer.requestId,
        functionArn,
        functionName: "probe",
        functionVersion: "$LATEST",
        memoryMB: 512,
        logGroup: "/aws/lambda/probe",
        client: "me",
        trace,
      });
      assert.match(String(logStream), /^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
      assert.ok(Number(remainingMs) > 0 && Number(remainingMs) <= 20_000, String(remainingMs));
      const { client, trace: none } = JSON.parse((await invoke({ event: { act: "context" } })).body.toString()) as {
        readonly client: unknown;
        readonly trace: unknown;
      };
      assert.deepEqual([client ?? null, none || null], [null, null]);
    });

    it("logs as JSON", async () => {
      environment = await startClient(name, { logFormat: "JSON", applicationLogLevel: "INFO" });
      const { requestId } = await invoke({ event: { act: "log" } });
      await environment.printed('"platform.report"');
      const lines = environment.output.split("\n").flatMap(parseLogLine);
      const wanted = JSON.parse(JSON.stringify(jsonLog).replaceAll("<id>", requestId)) as object[];
      assert.equal(lines.length, wanted.length, environment.output);
      lines.forEach((line, index) => assert.partialDeepStrictEqual(line, wanted[index]));
    });

    it("logs as text", async () => {
      environment = await startClient(name);
      const { requestId } = await invoke({ event: { act: "log" } });
      await environment.printed(textLog.replace("<id>", requestId));
    });

    it("logs each call's lines between its START and its END", async () => {
      environment = await startClient(name);
      const logged = 100;
      for (let call = 0; call < logged; call++) await invoke({ event: { act: "log" } });
      await environment.printed("REPORT RequestId", logged);
      assert.deepEqual(strayLines(environment.output), []);
    });

    it(`runtime-api 33: ${calls} calls one after another, by one process`, async function () {
      this.timeout(120_000);
      environment = await startClient(name);
      const first = await pid();
      const port = Number(environment.agent.runtimeApi.split(":")[1]);
      const connections = await openConnections(port);
      for (let call = 1; call <= calls; call++) {
        const { body } = await invoke({ event: { act: "echo", value: call } });
        assert.equal(Number(body.toString()), call);
      }
      assert.equal(await pid(), first);
      if (!keepsConnections) return;
      const after = await openConnections(port);
      assert.deepEqual(
        connections.filter((connection) => !after.includes(connection)),
        [],
      );
      assert.ok(after.length <= mostConnections, String(after));
    });

    async function invoke({ event, headers }: Pick<Stimulus, "event" | "headers">): Promise<Answered> {
      const body = Buffer.isBuffer(event) ? event : JSON.stringify(event);
      return await environment.invoke(body, { ...(headers && { headers }) });
    }

    async function pid(): Promise<number> {
      const { body } = await invoke({ event: { act: "pid" } });
      const number = Number(body.toString());
      assert.ok(number > 1, body.toString());
      return number;
    }

    function assertExpected(answer: Answered, expected: Expected): void {
      const shown = answer.body.subarray(0, 500).toString();
      assert.equal(answer.status, 200, shown);
      if ("answers" in expected) {
        assert.equal(answer.headers["x-amz-function-error"], undefined, shown);
        assert.equal(answer.headers["content-type"], expected.contentType ?? contentType);
        assertPayload(answer.body, expected.answers);
        return;
      }
      assert.equal(answer.headers["x-amz-function-error"], "Unhandled", shown);
      if ("tooLarge" in expected) assert.equal(answer.body.toString(), tooLarge);
      else if ("platformError" in expected) {
        const errorMessage = `RequestId: ${answer.requestId} Error: ${expected.message}`;
        assert.equal(answer.body.toString(), JSON.stringify({ errorType: expected.platformError, errorMessage }));
      } else assertClientError(answer, expected.members ?? errorMembers, expected);
    }
  });
}

const tooLarge =
  '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}';

function assertStreamed(answer: Answered, { body, contentType, end, error }: Streamed): void {
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-type"], contentType);
  assert.equal(answer.headers[invocationAnswerHeaders.functionError], undefined);
  if (typeof body === "string") assert.equal(answer.body.toString(), body);
  else assert.ok(answer.body.equals(Buffer.from(body.after + "x".repeat(body.letters))));
  assert.equal(answer.trailers[streamTrailers.endOfResponse], end);
  assert.equal(answer.trailers[streamTrailers.errorType], error?.type);
  const told = Buffer.from(answer.trailers[streamTrailers.errorBody] ?? "", "base64").toString();
  if (error === undefined) assert.equal(told, "");
  else {
    const { errorType, errorMessage } = JSON.parse(told) as Readonly<Record<string, unknown>>;
    const message = end === "Complete" ? error.message : `RequestId: ${answer.requestId} Error: ${error.message}`;
    assert.deepEqual({ errorType, errorMessage }, { errorType: error.bodyType, errorMessage: message });
  }
}

function assertPayload(body: Buffer, wanted: unknown): void {
  if (Buffer.isBuffer(wanted)) assert.ok(body.equals(wanted), body.subarray(0, 500).toString());
  // Of millions of letters no difference needs to be drawn.
  else if (typeof wanted === "string") assert.ok(JSON.parse(body.toString()) === wanted);
  else assert.deepEqual(JSON.parse(body.toString()), wanted);
}

function assertClientError(
  { body }: Answered,
  members: readonly string[],
  { clientError, message }: Extract<Expected, { readonly clientError: unknown }>,
): void {
  const told = JSON.parse(body.toString()) as Readonly<Record<string, unknown>>;
  assert.deepEqual(Object.keys(told), members);
  assertText(told["errorType"], clientError);
  assertText(told["errorMessage"], message);
}

/** Those that name another request than the one whose START came last. */
function strayLines(output: string): readonly string[] {
  const stray: string[] = [];
  let current = "";
  for (const line of output.split("\n")) {
    const id = /\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/.exec(line)?.[0];
    if (id === undefined) continue;
    if (line.startsWith("START RequestId: ")) current = id;
    else if (id !== current) stray.push(line);
  }
  return stray;
}

/** What a function has logged, not the platform's lines. */
function parseLogLine(line: string): readonly object[] {
  if (!line.startsWith("{")) return [];
  const parsed = JSON.parse(line) as object;
  return "level" in parsed ? [parsed] : [];
}

function assertText(actual: unknown, wanted: string | RegExp): void {
  if (typeof wanted === "string") assert.equal(String(actual), wanted);
  else assert.match(String(actual), wanted);
}

/** The runtime never gets to serve: nothing can be asked before or after. */
function isInit({ document = {} }: Pick<Stimulus, "document">): boolean {
  return document.handler !== undefined || document.variables !== undefined;
}

function staysAlive(expected: Expected): boolean {
  return "answers" in expected || ("process" in expected && expected.process === "stays");
}
