import { fileURLToPath } from "node:url";
import type { GoProgram } from "../../test/cluster/go-program.ts";

const sources = fileURLToPath(new URL("../programs", import.meta.url));

/** What stands beside every container of Knative. */
export const queueProxy: GoProgram = {
  ...{ name: "queue-proxy", sources, ldflags: "-s -w" },
  mainPackage: "knative.dev/serving/cmd/queue",
  duration: "2 to 4 minutes on two cores",
};

/** A reverse proxy of Go's own library. */
export const goProxy: GoProgram = { name: "go-proxy", sources, ldflags: "-s -w", duration: "10 seconds" };

/** Plays the kubelets of nodes that are not there. */
export const kwok: GoProgram = {
  ...{ name: "kwok", sources, ldflags: "-s -w" },
  mainPackage: "sigs.k8s.io/kwok/cmd/kwok",
  duration: "3 to 6 minutes on two cores",
};
