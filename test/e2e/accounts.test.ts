import assert from "node:assert/strict";
import { RunError } from "../cluster/run.ts";
import { installNamespace, release } from "./fixture.ts";
import { Space } from "./space.ts";

describe("service accounts of the platform", () => {
  let space: Space;
  before(async () => {
    space = await Space.open("e2e-accounts");
  });
  after(async () => {
    await space.close();
  });

  type Question = readonly [verb: string, resource: string, namespace?: string];
  const elsewhere = "e2e-accounts";
  const nobody: readonly Question[] = [
    ["get", "secrets", elsewhere],
    ["list", "secrets", installNamespace],
    ["create", "pods/exec", elsewhere],
    ["create", "pods/attach", elsewhere],
    ["create", "pods/portforward", elsewhere],
    ["get", "pods/log", elsewhere],
    ["create", "serviceaccounts/token", elsewhere],
    ["impersonate", "users"],
    ["create", "clusterrolebindings.rbac.authorization.k8s.io"],
    ["create", "rolebindings.rbac.authorization.k8s.io", elsewhere],
    ["update", "nodes"],
    ["delete", "namespaces"],
    ["update", "functions.kubelambda.dev", elsewhere],
    ["delete", "functions.kubelambda.dev", elsewhere],
    ["patch", "customresourcedefinitions.apiextensions.k8s.io"],
  ];
  const readersOnly: readonly Question[] = [
    ["create", "pods", elsewhere],
    ["delete", "pods", elsewhere],
    ["get", "configmaps", elsewhere],
    ["patch", "functions.kubelambda.dev/status", elsewhere],
    ["get", "controllerrevisions.apps", elsewhere],
    ["update", "leases.coordination.k8s.io", installNamespace],
  ];
  const accounts: Record<string, { readonly can: readonly Question[]; readonly cannot: readonly Question[] }> = {
    operator: {
      can: [
        ["create", "pods", elsewhere],
        // Labels and owner of a pod of the pool that has become a function's.
        ["patch", "pods", elsewhere],
        ["patch", "functions.kubelambda.dev/status", elsewhere],
        ["get", "configmaps", elsewhere],
        ["create", "configmaps", elsewhere],
        ["create", "controllerrevisions.apps", elsewhere],
        ["patch", "layers.kubelambda.dev/status", elsewhere],
        ["patch", "controllerrevisions.apps", elsewhere],
        ["create", "versions.kubelambda.dev", elsewhere],
        ["patch", "aliases.kubelambda.dev/status", elsewhere],
        // Their annotations, which backups keep where they leave statuses behind.
        ["patch", "aliases.kubelambda.dev", elsewhere],
        ["patch", "layers.kubelambda.dev", elsewhere],
        ["patch", "functions.kubelambda.dev", elsewhere],
      ],
      cannot: [
        ...nobody,
        ["update", "pods", elsewhere],
        ["update", "configmaps", elsewhere],
        ["patch", "configmaps", elsewhere],
        ["delete", "configmaps", elsewhere],
        ["update", "controllerrevisions.apps", elsewhere],
        ["update", "aliases.kubelambda.dev", elsewhere],
        ["update", "layers.kubelambda.dev", elsewhere],
      ],
    },
    router: {
      can: [
        ["watch", "functions.kubelambda.dev", elsewhere],
        ["watch", "versions.kubelambda.dev", elsewhere],
        ["watch", "aliases.kubelambda.dev", elsewhere],
        ["watch", "pods", elsewhere],
        ["create", "tokenreviews.authentication.k8s.io"],
        ["create", "subjectaccessreviews.authorization.k8s.io"],
        ["watch", `secret/${release}-access-keys`, installNamespace],
      ],
      cannot: [
        ...nobody,
        ...readersOnly,
        ["patch", `secret/${release}-access-keys`, installNamespace],
        ["create", "functions.kubelambda.dev/invocations", elsewhere],
      ],
    },
    packages: {
      can: [],
      cannot: [...nobody, ...readersOnly, ["get", "pods", elsewhere], ["get", "functions.kubelambda.dev", elsewhere]],
    },
  };
  async function mayAs(user: string, [verb, resource, namespace]: Question): Promise<boolean> {
    const where = namespace === undefined ? [] : ["-n", namespace];
    const isNamed = resource.startsWith("secret/");
    const [name = "", subresource] = isNamed ? [resource] : resource.split("/");
    const part = subresource === undefined ? [] : [`--subresource=${subresource}`];
    const review = ["auth", "can-i", verb, name, ...part, `--as=${user}`, ...where];
    const answer = await space.system.kubectl(review).catch((error: unknown) => {
      if (error instanceof RunError && error.exitCode === 1) return error.output;
      throw error;
    });
    const [word] = answer.split("\n");
    assert.ok(word === "yes" || word === "no", answer);
    return word === "yes";
  }

  const invocations: Question = ["create", "functions.kubelambda.dev/invocations", elsewhere];
  const onFunctions = (verb: string): Question => [verb, "functions.kubelambda.dev", elsewhere];
  const people: Record<string, { readonly can: readonly Question[]; readonly cannot: readonly Question[] }> = {
    view: { can: [onFunctions("list")], cannot: [onFunctions("create"), invocations] },
    edit: {
      can: [onFunctions("list"), onFunctions("create"), invocations],
      cannot: [["patch", "functions.kubelambda.dev/status", elsewhere]],
    },
    admin: { can: [onFunctions("delete"), invocations], cannot: [["create", "functions.kubelambda.dev", "default"]] },
    [`${release}-invoke`]: { can: [invocations], cannot: [onFunctions("list"), onFunctions("create")] },
  };
  for (const [role, { can, cannot }] of Object.entries(people)) {
    it(`people with the role ${role} may do with functions what it says`, async () => {
      const user = `has-${role}`;
      await space.kubectl("create", "rolebinding", user, `--clusterrole=${role}`, `--user=${user}`);
      for (const question of can) assert.equal(await mayAs(user, question), true, `may ${question.join(" ")}`);
      for (const question of cannot) assert.equal(await mayAs(user, question), false, `may not ${question.join(" ")}`);
    });
  }

  for (const [account, { can, cannot }] of Object.entries(accounts)) {
    it(`${account} may do its work and nothing else`, async () => {
      const ask = async (question: Question): Promise<boolean> =>
        await mayAs(`system:serviceaccount:${installNamespace}:${release}-${account}`, question);
      for (const question of can) assert.equal(await ask(question), true, `may ${question.join(" ")}`);
      for (const question of cannot) assert.equal(await ask(question), false, `may not ${question.join(" ")}`);
    });
  }
});
