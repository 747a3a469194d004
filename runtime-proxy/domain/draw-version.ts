/** Which of an alias' versions takes a call. */
import type { AliasRoute } from "../../crds/alias-route.ts";

/** `draw` is in [0, 1); each call draws by itself. Source: Lambda developer guide, configuring-alias-routing. */
export function drawVersion({ functionVersion, additionalVersionWeights }: AliasRoute, draw: number): string {
  let passed = 0;
  for (const [version, weight] of Object.entries(additionalVersionWeights)) {
    passed += weight;
    if (draw < passed) return version;
  }
  return functionVersion;
}
