import { readAccessKey, type AccessKey } from "../../crds/access-keys.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import type { Logger } from "../../lib/logger.ts";
import { serviceAccountUser, type Caller } from "./caller.ts";

/** A Secret as far as we read it. */
export interface SecretObject extends KubernetesObject {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** A secret that signs, and who signs with it. */
export interface Signer {
  readonly secretAccessKey: string;
  readonly caller: Caller;
}

/** Finds who signs with an access key id. */
export interface AccessKeys {
  find(accessKeyId: string): Signer | undefined;
}

/** No keys at all. */
export const noAccessKeys: AccessKeys = { find: () => undefined };

/** The access keys of the watched Secret; an entry that is none is told in the log, by its name alone, and left out. */
export class KubernetesAccessKeys implements AccessKeys {
  readonly #log: Logger;
  #signerById: ReadonlyMap<string, Signer> = new Map();

  constructor(cache: ObjectCache<SecretObject>, log: Logger) {
    this.#log = log;
    cache.onChange(({ type, object }) => {
      this.#signerById = type === "deleted" ? new Map() : this.#read(object);
    });
  }

  find(accessKeyId: string): Signer | undefined {
    return this.#signerById.get(accessKeyId);
  }

  #read({ metadata, data = {} }: Stored<SecretObject>): ReadonlyMap<string, Signer> {
    const signers = new Map<string, Signer>();
    for (const [accessKeyId, value] of Object.entries(data)) {
      const read = readAccessKey(accessKeyId, Buffer.from(value, "base64").toString("utf8"));
      if (read.ok) signers.set(accessKeyId, toSigner(accessKeyId, read.key));
      else this.#log.warn("Access key left out", { ...named(metadata), accessKeyId, problem: read.problem });
    }
    this.#log.info("Access keys read", { ...named(metadata), keys: signers.size });
    return signers;
  }
}

function toSigner(accessKeyId: string, { secretAccessKey, serviceAccount }: AccessKey): Signer {
  const [namespace = "", name = ""] = serviceAccount.split("/");
  return { secretAccessKey, caller: { ...serviceAccountUser(namespace, name), how: "accessKey", accessKeyId } };
}

function named({ namespace = "", name }: Stored<SecretObject>["metadata"]): object {
  return { kind: "Secret", namespace, name };
}
