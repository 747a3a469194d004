import assert from "node:assert/strict";
import { routes } from "../../crds/wire/routes.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { installNamespace, release } from "./fixture.ts";
import { nodeFunction, Space, type PodState } from "./space.ts";

/** Runs what the event says, inside of the function: tests are written where they are read. */
const obeying = nodeFunction(
  `import { createRequire } from "node:module";
const AsyncFunction = (async () => {}).constructor;
export const handler = async ({ source, input }) =>
  (await new AsyncFunction("require", "input", source)(createRequire("/var/task/"), input)) ?? null;`,
  { timeout: 20 },
);

/** fetch() to a status or an error code, never longer than 5 s. */
const ask = `const ask = (url, init) => fetch(url, { signal: AbortSignal.timeout(5000), ...init })
  .then((response) => response.status, (error) => error.cause?.code ?? error.name);`;

describe("from inside of a function", () => {
  let space: Space;
  let own: PodState;
  let neighbour: PodState;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-isolation");
    await space.apply(
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "tenant" } },
      { apiVersion: "v1", kind: "Secret", metadata: { name: "tenant" }, stringData: { word: "hidden" } },
    );
    await space.serve("inside", obeying);
    await space.serve("neighbour", obeying);
    await space.serve("with-account", { ...obeying, serviceAccountName: "tenant" });
    await inside("return 1");
    own = await podOf("inside");
    await space.call("neighbour", { source: "return 1" });
    neighbour = await podOf("neighbour");
  });
  after(async () => {
    await space.close();
  });

  async function inside(source: string, input: unknown = null): Promise<unknown> {
    return await space.call("inside", { source, input });
  }

  async function podOf(name: string): Promise<PodState> {
    // It answers calls before its status has the address.
    return await waitUntil({ what: `the address of the pod of function "${name}"`, timeoutMs: 10_000 }, async () => {
      const pods = await space.pods();
      const found = pods.find(({ metadata }) => metadata.annotations?.["kubelambda.dev/function-name"] === name);
      return found?.status.podIP === undefined ? undefined : found;
    });
  }

  it("no environment can be invoked or asked, neither the own nor another", async () => {
    for (const { status } of [own, neighbour]) {
      const agent = `http://${status.podIP ?? ""}:19001`;
      for (const authorization of [undefined, "Bearer eyJwb2RVaWQiOiJ4In0.c2ln", "Basic YTpi"]) {
        const headers = { "content-type": "application/json", ...(authorization !== undefined && { authorization }) };
        const source = `${ask}
          const { agent, headers } = input;
          return [await ask(agent + "/v1/invocations/a", { method: "POST", headers, body: "{}" }), await ask(agent + "/v1/state", { headers })];`;
        assert.deepEqual(await inside(source, { agent, headers }), [401, 401]);
      }
    }
  });

  it("another environment's Runtime API cannot be reached", async () => {
    const url = `http://${neighbour.status.podIP ?? ""}:9001/2018-06-01/runtime/invocation/next`;
    assert.equal(await inside(`${ask} return await ask(input);`, url), "ECONNREFUSED");
  });

  it("the platform's ports are taken, so nobody can listen there in its place", async () => {
    const source = `
      const listen = (port, host) => new Promise((resolve) => {
        const server = require("node:net").createServer();
        server.once("error", ({ code }) => resolve(code));
        server.listen(port, host, () => server.close(() => resolve("listens")));
      });
      return [await listen(19001, input), await listen(9001, "127.0.0.1"), await listen(8080, "127.0.0.1")];`;
    assert.deepEqual(await inside(source, own.status.podIP), ["EADDRINUSE", "EADDRINUSE", "listens"]);
  });

  it("the supervisor's socket takes no second connection", async () => {
    const source = `return await new Promise((resolve) => {
        const socket = require("node:net").connect("/run/kubelambda/runtime/agent.sock");
        const timer = setTimeout(() => resolve("still open"), 5000);
        socket.on("data", (bytes) => resolve("was told " + bytes.length + " bytes"));
        socket.on("error", () => undefined);
        socket.on("close", () => { clearTimeout(timer); resolve("closed"); });
      });`;
    assert.equal(await inside(source), "closed");
    assert.equal(await inside("return 1"), 1);
  });

  it("no service of the platform takes a request without a token, or with a tenant's", async () => {
    const service = (name: string, port: number): string => `http://${release}-${name}.${installNamespace}.svc:${port}`;
    const announcement = {
      podUid: neighbour.metadata.uid,
      address: `${own.status.podIP ?? ""}:8080`,
      state: "ready",
      sequence: 1_000_000,
    };
    const requests = [
      ["PUT", service("router-internal", 19002) + routes.environment(neighbour.metadata.uid), announcement],
      [
        "PUT",
        service("router-internal", 19002) + routes.environment(own.metadata.uid),
        { ...announcement, podUid: own.metadata.uid },
      ],
      ["POST", service("operator", 8300) + routes.load, { replica: "a", sequence: 1, functions: [] }],
      [
        "POST",
        service("packages", 8200) + routes.resolve,
        { namespace: space.name, use: "code", source: { type: "files", files: {} } },
      ],
      ["GET", service("packages", 8200) + routes.object(`sha256:${"0".repeat(64)}`)],
      ["PUT", service("packages", 8200) + routes.references, { references: {} }],
    ];
    const source = `${ask}
      const read = (path) => { try { return require("node:fs").readFileSync(path, "utf8"); } catch { return undefined; } };
      const token = read("/var/run/secrets/kubernetes.io/serviceaccount/token");
      const headers = { "content-type": "application/json", ...(token && { authorization: "Bearer " + token }) };
      const answers = [];
      for (const [method, url, body] of input) answers.push(await ask(url, { method, headers, body: body && JSON.stringify(body) }));
      return [token !== undefined, answers];`;
    assert.deepEqual(await inside(source, requests), [false, requests.map(() => 401)]);
    const withToken = await space.call("with-account", { source, input: requests });
    assert.deepEqual(withToken, [true, requests.map(() => 401)], "a token for the API server is none for us");
  });

  it("the API server is a stranger", async () => {
    const source = `return await new Promise((resolve) => {
        const request = require("node:https").get(
          { host: "kubernetes.default.svc", path: "/api/v1/namespaces/" + input + "/secrets/tenant", rejectUnauthorized: false, timeout: 5000 },
          (response) => resolve(response.statusCode));
        request.on("error", (error) => resolve(error.code));
      });`;
    assert.ok([401, 403].includes(Number(await inside(source, space.name))));
  });

  it("no token and no file of another container is there", async () => {
    const source = `const { readdirSync } = require("node:fs");
      const look = (path) => { try { return readdirSync(path); } catch ({ code }) { return code; } };
      return ["/var/run/secrets/kubelambda", "/var/run/secrets/kubernetes.io", "/kubelambda"].map(look);`;
    assert.deepEqual(await inside(source), ["ENOENT", "ENOENT", "ENOENT"]);
  });

  it("no process but the function's own and its supervisor is seen", async () => {
    const source = `const { readdirSync, readFileSync } = require("node:fs");
      return readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))
        .map((pid) => readFileSync("/proc/" + pid + "/cmdline", "latin1").split("\\0")[0]);`;
    const programs = (await inside(source)) as string[];
    assert.equal(programs[0], "/run/kubelambda/runtime/supervisor");
    assert.ok(!programs.some((program) => /agent|assemble|pause/.test(program)), programs.join());
  });

  it("it is user 10002, may become nobody else, and system calls are filtered", async () => {
    const source = `const status = require("node:fs").readFileSync("/proc/self/status", "utf8");
      const field = (name) => new RegExp("^" + name + ":\\\\s*(.*)$", "m").exec(status)[1];
      return { uid: process.getuid(), gid: process.getgid(), caps: field("CapEff"), bounding: field("CapBnd"), noNewPrivileges: field("NoNewPrivs"), seccomp: field("Seccomp") };`;
    const none = "0000000000000000";
    assert.deepEqual(await inside(source), {
      ...{ uid: 10_002, gid: 10_002, caps: none, bounding: none },
      ...{ noNewPrivileges: "1", seccomp: "2" },
    });
  });

  it("packages 1: only /tmp can be written, and it begins in /var/task", async () => {
    const source = `const { writeFileSync, appendFileSync } = require("node:fs");
      const write = (path) => { try { writeFileSync(path, "x"); return "written"; } catch ({ code }) { return code; } };
      const places = ["/var/task/a", "/opt/a", "/a", "/var/runtime/a", "/run/kubelambda/runtime/a", "/etc/a", "/tmp/a", "/var/task/index.mjs"];
      return [process.cwd(), Object.fromEntries(places.map((place) => [place, write(place)]))];`;
    const [directory, written] = (await inside(source)) as [string, Record<string, string>];
    assert.equal(directory, "/var/task");
    assert.deepEqual(
      Object.keys(written).filter((place) => written[place] === "written"),
      ["/tmp/a"],
    );
    assert.deepEqual([written["/var/task/a"], written["/opt/a"], written["/a"]], ["EROFS", "EROFS", "EROFS"]);
  });

  it("sandbox.localdomain is itself", async () => {
    const source = `const { lookup } = require("node:dns/promises");
      return [(await lookup("sandbox.localdomain")).address, (await lookup("sandbox")).address];`;
    assert.deepEqual(await inside(source), ["127.0.0.1", "127.0.0.1"]);
  });

  it("packages 37: it has 1,024 open files", async () => {
    const source = `const { openSync, closeSync } = require("node:fs");
      const open = [];
      try { for (;;) open.push(openSync("/dev/null")); } catch ({ code }) { for (const file of open) closeSync(file); return [code, open.length > 900 && open.length < 1024]; }`;
    assert.deepEqual(await inside(source), ["EMFILE", true]);
  });
});
