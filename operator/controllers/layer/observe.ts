/** Reads everything that the decision about a Layer needs. */
import { createHash } from "node:crypto";
import type { LayerObject } from "../../../crds/v1alpha1/layer.ts";
import type { Clock } from "../../../lib/clock.ts";
import { keyOf, type Stored } from "../../../lib/kubernetes/object.ts";
import type { ConfigMaps } from "../../config-maps.ts";
import { nameHolder } from "../../name-holder.ts";
import type { NumberTaker } from "../../number-taker.ts";
import { layerKey, layerVersionsOf, type OperatorCaches } from "../../operator-caches.ts";
import type { PackageResolver } from "../../package-resolver.ts";
import { decideSource, type PackageSeen, type S3Defaults } from "../../package-source.ts";
import { withRevision } from "../../source-read.ts";
import { wantedOf } from "../../package-wanted.ts";
import { publishedNumber } from "../../restored.ts";
import { decideUnpublished, identityOf, type LayerSeen, type UnpublishedSeen } from "./decide.ts";
import { layerName, newestFirst } from "./layer-version.ts";

export interface LayerObserverParts {
  readonly caches: Pick<OperatorCaches, "layers" | "layerVersions">;
  readonly configMaps: Pick<ConfigMaps, "get">;
  readonly resolver: PackageResolver;
  readonly numbers: NumberTaker;
  readonly region: string;
  readonly s3: S3Defaults;
  readonly clock: Clock;
}

/** Undefined when there is no such Layer (any more). */
export async function observeLayer(
  parts: LayerObserverParts,
  key: string,
  signal: AbortSignal,
): Promise<LayerSeen | undefined> {
  const { caches, resolver, numbers, region, clock } = parts;
  const object = caches.layers.get(key);
  if (object === undefined) {
    resolver.forget(key);
    numbers.forget(key);
    return undefined;
  }
  const holder = nameHolder(object, caches.layers.byIndex("name", layerKey(object)));
  const versions = layerVersionsOf(caches, object);
  const content = holder === undefined ? await seeContent(parts, object, signal) : ({ type: "resolving" } as const);
  const now = new Date(clock.nowMs()).toISOString();
  const seen = { object, versions, content, nameHolder: holder, now };
  return { ...seen, number: seeNumber(parts, seen), region, hash: sha256 };
}

async function seeContent(
  { caches, configMaps, resolver, s3 }: LayerObserverParts,
  object: Stored<LayerObject>,
  signal: AbortSignal,
): Promise<PackageSeen> {
  const { namespace = "" } = object.metadata;
  const { content } = object.spec;
  const name = content.configMapRef?.name;
  const configMap = name === undefined ? undefined : await configMaps.get(namespace, name, signal);
  const { compatibleArchitectures: [architecture, ...others] = [] } = object.spec;
  const preset = { s3, ...(others.length === 0 && { architecture }) };
  const decided = decideSource("content", content, configMap, preset);
  if (decided.type !== "source") return decided;
  const wanted = wantedOf(object, decided, sha256);
  const versions = newestFirst(layerVersionsOf(caches, object));
  // After a restart the kept version says what a source was resolved to: the newest, of one that changes.
  const kept = versions.find(({ sourceHash }) => sourceHash === wanted.sourceHash);
  return resolver.look(keyOf(object), wanted, withRevision(kept, object.status?.source));
}

/** Takes a number as soon as there is something to publish, and forgets it when that is published. */
function seeNumber({ numbers }: LayerObserverParts, seen: UnpublishedSeen): LayerSeen["number"] {
  const { object, versions } = seen;
  const key = keyOf(object);
  const wanted = decideUnpublished(seen);
  if (wanted === undefined) {
    if (seen.content.type === "resolved") numbers.forget(key);
    return undefined;
  }
  const { namespace = "", uid } = object.metadata;
  return numbers.look(key, {
    namespace,
    entry: `layer.${layerName(object)}`,
    floor: Math.max(publishedNumber(object), ...versions.map(({ data }) => data.version)),
    purpose: `${uid}/${identityOf(wanted)}`,
    holder: `${uid}/${sha256(identityOf(wanted)).slice(0, 16)}`,
  });
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
