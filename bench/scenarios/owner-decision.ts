import { AwsClient } from "aws4fetch";
import type { Comparison } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { measureRaw, rawMetrics, type RawContender } from "../raw-comparison.ts";
import type { RawTarget } from "../raw-load.ts";
import { startNoopWorld, type NoopWorld } from "../systems/noop-world.ts";
import type { BenchCredentials } from "../systems/router-order.ts";

const credentials: BenchCredentials = {
  token: "bench-token",
  accessKeyId: "KLAKBENCHBENCHBENCH2",
  secretAccessKey: "bench-secret-that-signs",
};

/** What it costs a call that somebody else decides, and that somebody is asked who calls. */
export const ownerDecision: Scenario = {
  summary: "a call at a replica that does not own the account, against one at its owner; and what authentication costs",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const connections of context.connections) comparisons.push(await decision(context, connections));
    for (const connections of context.connections) comparisons.push(await authentication(context, connections));
    return comparisons;
  },
};

async function decision(context: BenchContext, connections: number): Promise<Comparison> {
  const [subject, baseline] = ["another replica", "owner"];
  const title = `who decides, ${counted(connections)}`;
  const world = await startNoopWorld(context, { routers: 2, environments: connections });
  try {
    const at = (name: string, router: number): RawContender => ({
      name,
      targets: [world.target(router, "bench")],
      pids: () => world.routers.map(({ pid }) => pid),
    });
    const contenders = [at(subject, 1 - world.owner), at(baseline, world.owner)];
    const rounds = await measureRaw(context, { title, contenders, connections });
    const notes = ["two routers, all calls of a round at one of them; CPU time is that of both"];
    return { title, subject, baselines: [baseline], metrics: rawMetrics, rounds, notes };
  } finally {
    await world.end();
  }
}

async function authentication(context: BenchContext, connections: number): Promise<Comparison> {
  const title = `who calls, ${counted(connections)}`;
  const world = await startNoopWorld(context, { routers: 1, environments: connections, credentials });
  try {
    const plain = world.target(0, "bench");
    const bearer = { ...plain, headers: { authorization: `Bearer ${credentials.token}` } };
    const contenders = [
      callerOf(world, "signature", await signed(plain)),
      callerOf(world, "bearer token", bearer),
      callerOf(world, "anonymous", plain),
    ];
    const rounds = await measureRaw(context, { title, contenders, connections });
    const notes = [
      "the router remembers what the API server said of a token and a caller for 30 s; a signature is computed for each call",
      "every call of a round has the same signature, which holds for 5 minutes: longer runs are refused",
    ];
    return {
      ...{ title, subject: "signature", baselines: ["bearer token", "anonymous"], metrics: rawMetrics },
      ...{ rounds, notes },
    };
  } finally {
    await world.end();
  }
}

function callerOf(world: NoopWorld, name: string, target: RawTarget): RawContender {
  return { name, targets: [target], pids: () => world.routers.map(({ pid }) => pid) };
}

/** As an AWS SDK signs it: AWS Signature Version 4, in the header. */
async function signed(target: RawTarget): Promise<RawTarget> {
  const { accessKeyId, secretAccessKey } = credentials;
  const client = new AwsClient({ accessKeyId, secretAccessKey, service: "lambda", region: "us-east-1" });
  const url = `http://${target.host}:${target.port}${target.path}`;
  const request = await client.sign(url, { method: "POST", body: target.body });
  const headers = Object.fromEntries([...request.headers].filter(([name]) => name !== "content-type"));
  return { ...target, headers };
}

function counted(connections: number): string {
  return `${connections} ${connections === 1 ? "connection" : "connections"}`;
}
