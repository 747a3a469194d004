import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { aliasObject, versionObject } from "../../../test/kit/version-seen.ts";
import { decideAlias, type AliasSeen } from "./decide.ts";

const versions = [1, 2].map((version) => versionObject(`v${version}`, {}, { status: { version } }));

function aliasSeen(changes: Partial<AliasSeen> = {}): AliasSeen {
  return {
    object: aliasObject("live"),
    isForeign: false,
    functionTitle: "hello",
    functionName: "hello",
    versions,
    region: "eu-west-1",
    urlOf: (owner) => `https://${Object.values(owner).join("-")}/`,
    now: "2026-02-03T04:05:06.789Z",
    ...changes,
  };
}

const weighted = { functionVersion: "1", routingConfig: { additionalVersionWeights: { "2": 0.125 } } };
const former = { status: { functionVersion: "1" } };

describe("decideAlias", () => {
  const cases: Record<string, { seen: Partial<AliasSeen>; ready: string; message: RegExp; version?: string }> = {
    "is ready for the newest": { seen: {}, ready: "True Available", message: /^Calls go to version 2$/, version: "2" },
    "is ready for two": {
      seen: { object: aliasObject("live", weighted) },
      ready: "True Available",
      message: /^Calls go to version 1, 12\.5 % of the calls to version 2$/,
      version: "1",
    },
    "is ready for $LATEST": {
      seen: { object: aliasObject("live", { functionVersion: "$LATEST" }) },
      ready: "True Available",
      message: /^Calls go to \$LATEST$/,
      version: "$LATEST",
    },
    "waits for its function": {
      seen: { functionName: undefined, versions: [] },
      ready: "False FunctionNotFound",
      message: /^Cannot route to "hello": there is no such Function in this namespace; waiting for it$/,
    },
    "waits for a first version": {
      seen: { versions: [versionObject("v")] },
      ready: "False VersionNotFound",
      message: /^Function "hello" has no published version yet; waiting for one$/,
    },
    "versions-aliases 16: waits for a version and names it as AWS does": {
      seen: { object: aliasObject("live", { functionVersion: "10" }) },
      ready: "False VersionNotFound",
      message: /^Function not found: arn:aws:lambda:eu-west-1:\d{12}:function:hello:10; waiting/,
    },
    "goes on with the former version meanwhile": {
      seen: { object: aliasObject("live", { functionVersion: "later" }, former) },
      ready: "Unknown VersionNotFound",
      message: /^Version "later" is not published yet; waiting for it; meanwhile: Calls go to version 1$/,
      version: "1",
    },
    "goes on with the former version when the new ones are refused": {
      seen: {
        object: aliasObject(
          "live",
          { functionVersion: "v2", routingConfig: { additionalVersionWeights: { "2": 0.5 } } },
          former,
        ),
      },
      ready: "False UpdateFailed",
      message: /^Invalid function version 2\..*; meanwhile: Calls go to version 1$/,
      version: "1",
    },
    "leaves its name to the older": {
      seen: { nameHolder: "older" },
      ready: "False NameTaken",
      message: /^Cannot be alias "live" of "hello": Alias "older" is older/,
    },
    "refuses another account's function": {
      seen: { isForeign: true, functionName: undefined, versions: [] },
      ready: "False OtherAccount",
      message: /^Cannot route to "hello": it is no function of this namespace and region/,
    },
  };
  for (const [title, { seen, ready, message, version }] of Object.entries(cases)) {
    it(title, () => {
      const { status } = decideAlias(aliasSeen(seen));
      const condition = status?.conditions?.find(({ type }) => type === "Ready");
      assert.equal(`${condition?.status ?? ""} ${condition?.reason ?? ""}`, ready);
      assert.match(condition?.message ?? "", message);
      assert.equal(status?.functionVersion, version);
    });
  }

  it("versions-aliases 23: shows weights only where there are some", () => {
    const [one, none] = [weighted, { ...weighted, routingConfig: { additionalVersionWeights: {} } }].map(
      (spec) => decideAlias(aliasSeen({ object: aliasObject("live", spec) })).status,
    );
    assert.deepEqual(one?.routingConfig, { additionalVersionWeights: { "2": 0.125 } });
    assert.equal(none !== undefined && "routingConfig" in none, false);
  });

  it("has a URL once it wants one and its function is there", () => {
    const object = aliasObject("live", { functionURLConfig: { authType: "AWS_IAM", invokeMode: "BUFFERED" } });
    const urlOf = (changes: Partial<AliasSeen>): string | undefined =>
      decideAlias(aliasSeen({ object, ...changes })).status?.functionURL;
    assert.match(urlOf({}) ?? "", /^https:\/\/[^/]+-hello-live\/$/);
    assert.equal(urlOf({ object: aliasObject("live") }), undefined);
    assert.equal(urlOf({ functionName: undefined, versions: [] }), undefined);
    assert.equal(urlOf({ nameHolder: "older" }), undefined);
    assert.equal(urlOf({ isForeign: true }), undefined);
  });

  it("tells where calls go, once", () => {
    const first = decideAlias(aliasSeen());
    assert.deepEqual(
      first.events.map(({ reason, note }) => `${reason}: ${note}`),
      ["Routed: Calls go to version 2"],
    );
    assert.ok(first.status !== undefined);
    const again = decideAlias(aliasSeen({ object: aliasObject("live", {}, { status: first.status }) }));
    assert.deepEqual([again.status, again.events], [first.status, []]);
  });
});
