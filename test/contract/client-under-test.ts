import type { KubernetesClient } from "../../lib/kubernetes/client.ts";

/** What the suite runs against. The client knows the kind `widgetKind` of test/kit/kubernetes/objects.ts. */
export interface ClientUnderTest {
  readonly client: KubernetesClient;
  /** Makes an empty namespace and answers with its name. */
  makeNamespace(): Promise<string>;
  stop(): Promise<void>;
}

/** Gives the client that `before` has made. */
export type Subject = () => ClientUnderTest;
