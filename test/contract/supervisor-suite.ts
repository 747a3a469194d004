/** What every supervisor does, whatever it is written in: the contract of crds/wire/supervisor.ts and the process rules of Lambda. */
import type { SupervisorCommand } from "./supervisor-agent.ts";
import { setUpBench } from "./supervisor-bench.ts";
import { describeConnection } from "./supervisor-connection.ts";
import { describeEnds } from "./supervisor-ends.ts";
import { describeList } from "./supervisor-list.ts";
import { describeOutput } from "./supervisor-output.ts";
import { describeReset } from "./supervisor-reset.ts";
import { describeSeveral } from "./supervisor-several.ts";
import { describeStarts } from "./supervisor-starts.ts";
import { describeStop } from "./supervisor-stop.ts";
import { describeTelemetry } from "./supervisor-telemetry.ts";

export function describeSupervisor(name: string, command: () => SupervisorCommand): void {
  describe(`supervisor in ${name}`, function () {
    this.timeout(60_000);
    const bench = setUpBench(command);
    describeStarts(bench);
    describeEnds(bench);
    describeOutput(bench);
    describeTelemetry(bench);
    describeSeveral(bench);
    describeStop(bench);
    describeReset(bench);
    describeList(bench);
    describeConnection(bench);
  });
}
