import { after, before, describe } from "mocha";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { describeLifeOfObjects } from "./kubernetes-client-life.ts";
import { describeReads } from "./kubernetes-client-reads.ts";
import { describeServerSideApply } from "./kubernetes-client-apply.ts";
import { describeWatches } from "./kubernetes-client-watches.ts";
import { describeWrites } from "./kubernetes-client-writes.ts";

/** What the suite runs against. The client knows the kind `widgetKind` of test/kit/kubernetes/objects.ts. */
export interface ClientUnderTest {
  readonly client: KubernetesClient;
  /** Makes an empty namespace and answers with its name. */
  makeNamespace(): Promise<string>;
  stop(): Promise<void>;
}

/** Gives the client that `before` has made. */
export type Subject = () => ClientUnderTest;

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
