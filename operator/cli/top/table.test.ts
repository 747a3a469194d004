import assert from "node:assert/strict";
import type { TopRow } from "../../../crds/wire/top.ts";
import { silentNote, topLines } from "./table.ts";

function row(name: string, changes: Partial<TopRow> = {}): TopRow {
  const zero = { ready: 0, busy: 0, starting: 0, waiting: 0, calls: 0, errors: 0, throttled: 0 };
  return { namespace: "shop", function: name, ...zero, ...changes };
}

describe("the table of top", () => {
  const functions = [row("a", { ready: 2 }), row("pay", { busy: 12, reserved: 20, throttled: 3 }), row("b")];

  it("has the busiest first, then goes by name", () => {
    assert.deepEqual(topLines({ functions }, { sort: "busy", showsNamespace: false }), [
      "FUNCTION   READY    BUSY   STARTING   WAITING   CALLS/MIN   ERRORS/MIN   THROTTLED/MIN",
      "pay            0   12/20          0         0           0            0               3",
      "a              2       0          0         0           0            0               0",
      "b              0       0          0         0           0            0               0",
    ]);
  });

  it("goes by another number, or by name alone, and says the namespace where there are several", () => {
    const names = (sort: "ready" | "name"): unknown[] =>
      topLines({ functions }, { sort, showsNamespace: true }).map((line) => line.split(/ +/).slice(0, 2).join("/"));
    assert.deepEqual(names("ready"), ["NAMESPACE/FUNCTION", "shop/a", "shop/b", "shop/pay"]);
    assert.deepEqual(names("name"), ["NAMESPACE/FUNCTION", "shop/a", "shop/b", "shop/pay"]);
  });

  it("says how many do not fit", () => {
    const lines = topLines({ functions }, { sort: "name", showsNamespace: false, mostRows: 1 });
    assert.deepEqual([lines.length, lines.at(-1)], [3, "… and 2 more"]);
  });

  it("has headings alone where there is no function, and shows a terminal nothing to obey", () => {
    assert.equal(topLines({ functions: [] }, { sort: "busy", showsNamespace: true }).length, 1);
    const [, line] = topLines({ functions: [row("\u001b[2J")] }, { sort: "busy", showsNamespace: false });
    assert.match(line ?? "", /^\?\[2J /);
  });

  it("tells whose numbers are missing", () => {
    assert.equal(silentNote({ silent: [] }), undefined);
    assert.match(silentNote({ silent: ["a", "b"] }) ?? "", /^2 routers do not answer.+\(a, b\)$/);
  });
});
