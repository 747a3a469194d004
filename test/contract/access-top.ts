/** Who may see what functions do: part of access.test.ts, with the accounts and functions that are there by then. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { parse, stringify } from "yaml";
import { routes } from "../../crds/wire/routes.ts";
import { topTokenHeader } from "../../crds/wire/top.ts";
import { runTop } from "../../operator/cli/top.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { forgedToken, type AccessWorld } from "../kit/access-world.ts";

export function describeTop(world: () => AccessWorld): void {
  describe("what functions do (kubelambda top)", () => {
    const table = async (token: string | undefined, namespace?: string): Promise<string> => {
      const query = namespace === undefined ? "" : `?namespace=${namespace}`;
      const headers = token === undefined ? {} : { [topTokenHeader]: token };
      const url = `http://127.0.0.1:${world().routers.router.topPort}${routes.top}${query}`;
      const { statusCode, body } = await request(url, { headers });
      const answer = (await body.json()) as { message?: string; functions?: { namespace: string; function: string }[] };
      const names = answer.functions?.map((row) => `${row.namespace}/${row.function}`).join(" ");
      return `${statusCode} ${names ?? answer.message ?? ""}`;
    };

    it("is for who may list the functions of a namespace, as the role view has it", async () => {
      await world().makeAccount("team-a/viewer");
      await world().grant("team-a/viewer", "team-a", "kubelambda-view");
      const token = await world().token("team-a/viewer");
      await waitUntil({ what: "the role to be known", timeoutMs: 20_000, everyMs: 500 }, async () =>
        (await table(token, "team-a")).startsWith("200") ? true : undefined,
      );
      assert.equal(await table(token, "team-a"), "200 team-a/Upper_Case team-a/hello team-a/web");
      const mayNot = 'User "system:serviceaccount:team-a:viewer" may not list functions.kubelambda.dev';
      assert.equal(await table(token, "team-b"), `403 Cannot show functions in namespace "team-b": ${mayNot}`);
      assert.equal(await table(token), `403 Cannot show functions in all namespaces: ${mayNot}`);
    });

    it("takes the token of a kubeconfig, and else one that is made for this with its certificate", async () => {
      const folder = await mkdtemp(join(tmpdir(), "kl-top-"));
      try {
        const admin = parse(await readFile(world().controlPlane.kubeconfig, "utf8")) as { users: { user: object }[] };
        const user = { token: await world().token("team-a/viewer") };
        const viewer = join(folder, "viewer");
        await writeFile(viewer, stringify({ ...admin, users: admin.users.map((one) => ({ ...one, user })) }));
        const top = async (kubeconfig: string, ...args: readonly string[]): Promise<string> => {
          let said = "";
          const url = `http://127.0.0.1:${world().routers.router.topPort}`;
          await runTop(
            [...args, "--url", url],
            { KUBECONFIG: kubeconfig },
            {
              write: (text) => void (said += text),
              note: (text) => void (said += text),
              size: () => undefined,
              ending: new AbortController().signal,
            },
          );
          return said;
        };
        assert.match(await top(viewer, "-n", "team-a"), /^FUNCTION .*\n.*Upper_Case/);
        assert.match(await top(viewer, "-n", "team-b"), /^Cannot show functions: the answer is 403: .*may not list/);
        const withCertificate = ["-n", "team-b", "--service-account", "ci"];
        assert.match(await top(world().controlPlane.kubeconfig, ...withCertificate), /^FUNCTION .*\nhello /);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });

    it("is refused to who shows nothing, or what is nobody's", async () => {
      assert.match(await table(undefined, "team-a"), /^401 .*no header x-kubelambda-token/);
      assert.equal(
        await table(forgedToken("top.kubelambda.dev"), "team-a"),
        "403 The security token included in the request is invalid.",
      );
      assert.match(await table(await world().token("team-a/nobody"), "team-a"), /^403 /);
      assert.match(await table(await world().token("team-a/nobody", ["router.kubelambda.dev"]), "team-a"), /^403 /);
    });

    it("is for who may make tokens of a namespace, and all of it for who may in that of the installation", async () => {
      const ofTeam = await world().token("team-a/nobody", ["top.kubelambda.dev"]);
      assert.match(await table(ofTeam, "team-a"), /^200 /);
      assert.match(await table(ofTeam, "team-b"), /^403 .*who made this token may not/);
      assert.match(await table(ofTeam), /^403 /);
      const ofAll = await world().token("kubelambda/kubelambda-router", ["top.kubelambda.dev"]);
      assert.equal(await table(ofAll), "200 team-a/Upper_Case team-a/hello team-a/web team-b/hello");
    });

    it("is reached through the API server by everybody, and no other port of the router is", async () => {
      const proxy = { verb: "get", resource: "services", subresource: "proxy", namespace: "kubelambda" };
      assert.equal(await world().may("team-a/nobody", { ...proxy, name: "kubelambda-top:top" }), true);
      for (const name of ["kubelambda-top:health", "kubelambda-router:http", "kubelambda-router-internal:internal"])
        assert.equal(await world().may("team-a/nobody", { ...proxy, name }), false, name);
      assert.equal(await world().may("team-a/nobody", { ...proxy, verb: "create", name: "kubelambda-top:top" }), false);
    });
  });
}
