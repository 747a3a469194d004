/** Makes, lists and removes access keys: entries of one Secret of the install namespace. */
import { randomBytes } from "node:crypto";
import {
  ACCESS_KEY_PREFIX,
  ACCESS_KEYS_TYPE,
  accessKeySchema,
  formatAccessKeyId,
  MOST_ACCESS_KEYS,
  readAccessKey,
  type AccessKey,
} from "../crds/access-keys.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import type { KubernetesObject } from "../lib/kubernetes/object.ts";

interface Secret extends KubernetesObject {
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** What a key may be told by: everything but its secret. */
export interface ListedAccessKey extends Omit<AccessKey, "secretAccessKey"> {
  readonly accessKeyId: string;
  /** Set when the router takes no notice of the entry. */
  readonly problem?: string;
}

export interface NewAccessKey extends AccessKey {
  readonly accessKeyId: string;
}

export class AccessKeyStore {
  readonly #client: KubernetesClient;
  readonly #namespace: string;
  readonly #name: string;

  /** `name`: of the Secret in the install namespace. */
  constructor(client: KubernetesClient, namespace: string, name: string) {
    this.#client = client;
    this.#namespace = namespace;
    this.#name = name;
  }

  /** Throws an Error that says what is wrong; the secret is in what it returns and nowhere else to be read again. */
  async create(options: {
    readonly serviceAccount: string;
    readonly description?: string;
    readonly nowMs: number;
  }): Promise<NewAccessKey> {
    const { serviceAccount, description, nowMs } = options;
    const key = accessKeySchema.safeParse({
      secretAccessKey: randomBytes(30).toString("base64"),
      serviceAccount,
      createdAt: new Date(nowMs).toISOString(),
      ...(description !== undefined && { description }),
    });
    if (!key.success) {
      const problems = key.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
      throw new Error(`Cannot make an access key for "${serviceAccount}": ${problems} (right is <namespace>/<name>)`);
    }
    await this.#checkAccount(serviceAccount);
    const secret = await this.#get();
    if (Object.keys(secret?.data ?? {}).length >= MOST_ACCESS_KEYS) {
      throw new Error(
        `Cannot make an access key: Secret "${this.#title}" holds ${MOST_ACCESS_KEYS}, the most there may be`,
      );
    }
    const accessKeyId = formatAccessKeyId(ACCESS_KEY_PREFIX, randomBytes(16));
    await this.#put(secret === undefined, { [accessKeyId]: Buffer.from(JSON.stringify(key.data)).toString("base64") });
    return { accessKeyId, ...key.data };
  }

  /** By age. */
  async list(): Promise<readonly ListedAccessKey[]> {
    const { data = {} } = (await this.#get()) ?? {};
    const keys = Object.entries(data).map(([accessKeyId, value]) => toListed(accessKeyId, value));
    return keys.sort((one, other) => ((one.createdAt ?? "") < (other.createdAt ?? "") ? -1 : 1));
  }

  /** From the moment that routers hear of it, nobody signs with it. Throws when there is none of that id. */
  async delete(accessKeyId: string): Promise<void> {
    const secret = await this.#get();
    if (secret?.data?.[accessKeyId] === undefined) {
      throw new Error(`Cannot delete access key "${accessKeyId}": there is none in Secret "${this.#title}"`);
    }
    await this.#client.patch(this.#ref, { data: { [accessKeyId]: null } });
  }

  async #checkAccount(serviceAccount: string): Promise<void> {
    const [namespace = "", name = ""] = serviceAccount.split("/");
    try {
      await this.#client.get({ kind: kinds.serviceAccount, namespace, name });
    } catch (error) {
      if (!isKubernetesError(error, "NotFound")) throw error;
      throw new Error(`Cannot make an access key: there is no ServiceAccount "${serviceAccount}"`, { cause: error });
    }
  }

  async #get(): Promise<Secret | undefined> {
    try {
      return await this.#client.get<Secret>(this.#ref);
    } catch (error) {
      if (isKubernetesError(error, "NotFound")) return undefined;
      throw error;
    }
  }

  async #put(isFirst: boolean, data: Readonly<Record<string, string>>): Promise<void> {
    if (isFirst) {
      const labels = { "app.kubernetes.io/name": "kubelambda" };
      const metadata = { namespace: this.#namespace, name: this.#name, labels };
      try {
        await this.#client.create<Secret>({ apiVersion: "v1", kind: "Secret", metadata, type: ACCESS_KEYS_TYPE, data });
        return;
      } catch (error) {
        // Somebody else has been faster: then the key is added to theirs.
        if (!isKubernetesError(error, "AlreadyExists")) throw error;
      }
    }
    await this.#client.patch(this.#ref, { data });
  }

  get #ref() {
    return { kind: kinds.secret, namespace: this.#namespace, name: this.#name };
  }

  get #title(): string {
    return `${this.#namespace}/${this.#name}`;
  }
}

function toListed(accessKeyId: string, value: string): ListedAccessKey {
  const read = readAccessKey(accessKeyId, Buffer.from(value, "base64").toString("utf8"));
  if (!read.ok) return { accessKeyId, serviceAccount: "?", problem: read.problem };
  const { secretAccessKey: _, ...told } = read.key;
  return { accessKeyId, ...told };
}
