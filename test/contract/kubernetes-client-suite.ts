import { after, before, describe } from "mocha";
import type { ClientUnderTest, Subject } from "./client-under-test.ts";
import { describeLifeOfObjects } from "./kubernetes-client-life.ts";
import { describeReads } from "./kubernetes-client-reads.ts";
import { describeServerSideApply } from "./kubernetes-client-apply.ts";
import { describeWatches } from "./kubernetes-client-watches.ts";
import { describeWrites } from "./kubernetes-client-writes.ts";

/** The contract of KubernetesClient: what an API server does, as far as our processes rely on it. */
export function kubernetesClientContract(name: string, makeClient: () => Promise<ClientUnderTest>): void {
  describe(`Kubernetes client: ${name}`, function () {
    this.timeout(60_000);
    let made: ClientUnderTest | undefined;
    const subject: Subject = () => {
      if (made === undefined) throw new TypeError("Cannot use the client: not made yet");
      return made;
    };
    before(async () => {
      made = await makeClient();
    });
    after(async () => {
      await made?.stop();
    });
    describeReads(subject);
    describeWrites(subject);
    describeLifeOfObjects(subject);
    describeServerSideApply(subject);
    describeWatches(subject);
  });
}
