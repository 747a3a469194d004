/** Environments that nobody calls for a long time: 15 min, or SOAK_IDLE_MINUTES. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, describe, it } from "mocha";
import { buildClient } from "../clients/build.ts";
import { clientNames, clients, type ClientName } from "../clients/clients.ts";
import { expectations } from "../clients/expectations.ts";
import type { AgentEnvironment } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { openConnections, startClient } from "../kit/client-environment.ts";
import { requestIdOf, startPlayed, whenReady, type PlayedEnvironment } from "../kit/scripted-runtime.ts";

const minutes = Number(process.env["SOAK_IDLE_MINUTES"] ?? "15");
const minuteMs = 60_000;

interface Idle {
  readonly environment: AgentEnvironment;
  readonly pid: number;
  readonly connections: readonly number[];
}

describe(`environments that idle for ${minutes} min`, function () {
  this.timeout((minutes + 30) * minuteMs);
  const idle = new Map<ClientName, Idle>();
  let played: PlayedEnvironment;
  let next: ReturnType<PlayedEnvironment["runtime"]["next"]>;

  before(async () => {
    await buildSupervisor();
    for (const name of clientNames) {
      await buildClient(name, (line) => process.stderr.write(`    ${line}\n`));
      const environment = await startClient(name);
      idle.set(name, { environment, pid: await pidOf(environment), connections: await connectionsOf(environment) });
    }
    played = await startPlayed();
    await whenReadyAfter();
    await delay(minutes * minuteMs);
  });
  after(async () => {
    for (const { environment } of idle.values()) await environment.stop();
    await played.environment.stop();
  });

  async function whenReadyAfter(): Promise<void> {
    next = played.runtime.next();
    await whenReady(played);
  }

  it("runtime-api 1: the next that waited so long gets the event on its connection", async () => {
    const answer = played.environment.invoke('"late"');
    const event = await next;
    assert.equal(event.status, 200);
    assert.equal(event.body.toString(), '"late"');
    const accepted = await played.runtime.respond(requestIdOf(event), "1");
    assert.equal(accepted.localPort, event.localPort);
    assert.equal((await answer).body.toString(), "1");
  });

  for (const name of clientNames) {
    it(`lifecycle 26: ${clients[name].title} serves the next call, by the same process on the connection of its next`, async () => {
      const { environment, pid, connections } = idle.get(name) as Idle;
      assert.equal(await pidOf(environment), pid);
      // A client may leave one that it did not use for minutes, as libcurl does; that of its next it cannot.
      if (expectations[name].keepsConnections) {
        const now = await connectionsOf(environment);
        assert.ok(
          now.some((connection) => connections.includes(connection)),
          `${String(connections)}, then ${String(now)}`,
        );
      }
      await environment.printed("REPORT RequestId: ", 2);
    });
  }
});

async function pidOf(environment: AgentEnvironment): Promise<number> {
  const { status, body } = await environment.invoke(JSON.stringify({ act: "pid" }));
  const pid = Number(body.toString());
  assert.ok(status === 200 && pid > 1, body.toString());
  return pid;
}

async function connectionsOf({ agent }: AgentEnvironment): Promise<readonly number[]> {
  return await openConnections(Number(agent.runtimeApi.split(":")[1]));
}
