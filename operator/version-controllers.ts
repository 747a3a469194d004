/** What the leader runs for Versions, Aliases and Functions that publish by themselves. */
import { Controller, type ControllerOptions } from "../lib/kubernetes/controller.ts";
import { keyOf } from "../lib/kubernetes/object.ts";
import { aliasController } from "./controllers/alias/controller.ts";
import type { Health } from "./controllers/function/conditions.ts";
import { publishController } from "./controllers/publish/controller.ts";
import { ConfirmedFunctions } from "./controllers/version/confirmed-functions.ts";
import { versionController } from "./controllers/version/controller.ts";
import { namesOf, partsOf } from "./controllers/version/version-function.ts";
import type { VersionRecipes } from "./controllers/version/version-recipes.ts";
import type { FunctionUrlOf } from "./function-url-key.ts";
import { NumberTaker } from "./number-taker.ts";
import type { OperatorCaches } from "./operator-caches.ts";
import type { ProvisionedWord } from "./scaling/provisioned.ts";

export interface VersionControllersOptions {
  readonly shell: ControllerOptions;
  readonly caches: OperatorCaches;
  readonly recipes: VersionRecipes;
  readonly healthOf: (functionUid: string, revisionID: string) => Health | undefined;
  readonly provisionedOf: (functionUid: string) => ProvisionedWord;
  readonly region: string;
  readonly urlOf: FunctionUrlOf;
  readonly draw: () => number;
  readonly mayAct: () => boolean;
}

export interface VersionControllers {
  start(signal: AbortSignal): Promise<void>;
  /** Health of a revision of this Function changed. */
  wakeRevision(functionKey: string, revisionID: string): void;
  /** Environments that are kept ready for this Function's versions came or went. */
  wakeProvisioned(functionKey: string): void;
  stop(deadline?: AbortSignal): Promise<void>;
}

/** Each version takes some writes one after another, and a release of many functions comes at once. */
const workers = 8;

export function createVersionControllers(options: VersionControllersOptions): VersionControllers {
  const { shell, caches, recipes, healthOf, provisionedOf, region, urlOf, draw, mayAct } = options;
  const { client, clock, logger } = shell;
  const numbers = new NumberTaker({
    ...{ client, clock, draw, mayAct },
    onChange: (key) => versions.wake(key),
    onError: (error) => logger.warn("Cannot take a number for a version", { error }),
  });
  const confirmed = new ConfirmedFunctions(client);
  const versions = new Controller(
    versionController({ caches, numbers, confirmed, recipes, healthOf, provisionedOf, settings: { region }, clock }),
    { ...shell, workers },
  );
  const aliases = new Controller(aliasController({ caches, provisionedOf, region, urlOf, clock }), shell);
  const publishing = new Controller(publishController({ caches, region, clock }), { ...shell, workers });
  return {
    async start(signal) {
      await Promise.all([versions.start(signal), aliases.start(signal), publishing.start(signal)]);
    },
    wakeRevision(functionKey, revisionID) {
      const object = caches.functions.get(functionKey);
      if (object === undefined) return;
      const parts = partsOf(caches.versions, object.metadata.namespace ?? "", region, namesOf(object));
      for (const version of parts) if (version.status?.revisionID === revisionID) versions.wake(keyOf(version));
    },
    wakeProvisioned(functionKey) {
      const object = caches.functions.get(functionKey);
      if (object === undefined) return;
      const { namespace = "" } = object.metadata;
      for (const version of partsOf(caches.versions, namespace, region, namesOf(object)))
        if (version.spec.provisionedConcurrencyConfig !== undefined) versions.wake(keyOf(version));
      for (const alias of partsOf(caches.aliases, namespace, region, namesOf(object)))
        if (alias.spec.provisionedConcurrencyConfig !== undefined) aliases.wake(keyOf(alias));
    },
    async stop(deadline) {
      numbers.stop();
      await Promise.all([versions.stop(deadline), aliases.stop(deadline), publishing.stop(deadline)]);
    },
  };
}
