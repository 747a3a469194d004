/** What every supervisor does, whatever it is written in: the contract of crds/wire/supervisor.ts and the process rules of Lambda. */
import type { SupervisorCommand } from "./supervisor-agent.ts";
import { setUpBench } from "./supervisor-bench.ts";
import { describeConnection } from "./supervisor-connection.ts";
import { describeEnds } from "./supervisor-ends.ts";
import { describeOutput } from "./supervisor-output.ts";
import { describeReset } from "./supervisor-reset.ts";
import { describeStarts } from "./supervisor-starts.ts";

export function describeSupervisor(name: string, command: () => SupervisorCommand): void {
  describe(`supervisor in ${name}`, function () {
    this.timeout(60_000);
    const bench = setUpBench(command);
    describeStarts(bench);
    describeEnds(bench);
    describeOutput(bench);
    describeReset(bench);
    describeConnection(bench);
  });
}
