import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { fileSystemProblem } from "./file-systems.ts";

const wanted = [{ claimName: "data", mountPath: "/mnt/data" }];
const granted = { isolation: { truePaths: true }, fileSystems: new Map([["data", "/srv/data"]]) };

describe("file systems in local mode", () => {
  it("are folders that the user named", () => {
    assert.equal(fileSystemProblem(wanted, granted), undefined);
    assert.equal(fileSystemProblem([], { ...granted, isolation: { truePaths: false } }), undefined);
  });

  it("take mount namespaces, and say why there are none", () => {
    const isolation = { truePaths: false, reason: "turned off by --no-namespaces" };
    assert.match(fileSystemProblem(wanted, { ...granted, isolation }) ?? "", /"\/mnt\/data" here: .*--no-namespaces$/);
  });

  it("name the flag that is missing", () => {
    const told = fileSystemProblem(wanted, { ...granted, fileSystems: new Map() });
    assert.match(told ?? "", /--file-system data=<folder>$/);
  });
});
