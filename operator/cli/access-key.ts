/** `kubelambda access-key create | list | delete`: AWS access keys for those who cannot show a Kubernetes token. */
import { parseArgs } from "node:util";
import { defaultAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { AccessKeyStore, type ListedAccessKey, type NewAccessKey } from "../access-keys.ts";

const usage = `usage: kubelambda access-key create --service-account <namespace>/<name> [--description <text>] [--output text|json|env]
       kubelambda access-key list [--output text|json]
       kubelambda access-key delete <access key id>
       each: [--namespace kubelambda] [--release kubelambda]   where kubelambda is installed`;

/** What the commands need of the machine. */
export interface AccessKeyTools {
  readonly open: (
    namespace: string,
    secretName: string,
  ) => Promise<{ readonly store: AccessKeyStore; close(): Promise<void> }>;
  readonly nowMs: () => number;
  readonly write: (text: string) => void;
}

/** process.exitCode is 2 for wrong arguments and 1 when it cannot be done. */
export async function accessKeyMain(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const tools: AccessKeyTools = {
    async open(namespace, secretName) {
      const client = new ApiServerClient({ access: await defaultAccess(env), connections: 2 });
      return { store: new AccessKeyStore(client, namespace, secretName), close: async () => await client.close() };
    },
    nowMs: Date.now,
    write: (text) => void process.stdout.write(text),
  };
  try {
    await runAccessKey(args, tools);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

/** Wrong arguments; the message ends with the right ones. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  constructor(problem: string) {
    super(`${problem}\n${usage}`);
  }
}

/** Throws an Error, or a UsageError, that says what is wrong. */
export async function runAccessKey(args: readonly string[], tools: AccessKeyTools): Promise<void> {
  const { verb, operands, values } = readArguments(args);
  const run = commands[verb];
  if (run === undefined) throw new UsageError(`Cannot run "access-key ${verb}": no such command`);
  const { store, close } = await tools.open(values.namespace, `${values.release}-access-keys`);
  try {
    tools.write(await run({ store, operands, values, nowMs: tools.nowMs() }));
  } finally {
    await close();
  }
}

interface Values {
  readonly namespace: string;
  readonly release: string;
  readonly output: string;
  readonly "service-account"?: string | undefined;
  readonly description?: string | undefined;
}

interface Order {
  readonly store: AccessKeyStore;
  readonly operands: readonly string[];
  readonly values: Values;
  readonly nowMs: number;
}

const commands: Readonly<Record<string, (order: Order) => Promise<string>>> = {
  async create({ store, values, nowMs }) {
    const { "service-account": serviceAccount, description, output } = values;
    if (serviceAccount === undefined) throw new UsageError("Cannot make an access key: --service-account is not set");
    const show = newKeyForms[output];
    if (show === undefined) throw new UsageError(`Cannot show the access key as "${output}"`);
    return show(await store.create({ serviceAccount, nowMs, ...(description !== undefined && { description }) }));
  },
  async list({ store, values: { output } }) {
    const show = listForms[output];
    if (show === undefined) throw new UsageError(`Cannot show access keys as "${output}"`);
    return show(await store.list());
  },
  async delete({ store, operands }) {
    const [accessKeyId, ...rest] = operands;
    if (accessKeyId === undefined || rest.length > 0) throw new UsageError("Cannot delete: right is one access key id");
    await store.delete(accessKeyId);
    return `access key ${accessKeyId} deleted\n`;
  },
};

const newKeyForms: Readonly<Record<string, (key: NewAccessKey) => string>> = {
  text: ({ accessKeyId, secretAccessKey, serviceAccount }) =>
    `access key for ${serviceAccount} (its secret is shown this once)\n` +
    `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
  // As `aws iam create-access-key` answers.
  json: ({ accessKeyId, secretAccessKey, serviceAccount, createdAt }) => {
    const AccessKey = {
      UserName: serviceAccount,
      AccessKeyId: accessKeyId,
      Status: "Active",
      SecretAccessKey: secretAccessKey,
      CreateDate: createdAt,
    };
    return `${JSON.stringify({ AccessKey }, undefined, 2)}\n`;
  },
  env: ({ accessKeyId, secretAccessKey }) =>
    `export AWS_ACCESS_KEY_ID=${accessKeyId}\nexport AWS_SECRET_ACCESS_KEY=${secretAccessKey}\n`,
};

const listForms: Readonly<Record<string, (keys: readonly ListedAccessKey[]) => string>> = {
  text: (keys) => {
    const rows = keys.map(({ accessKeyId, serviceAccount, createdAt = "", description = "", problem }) => [
      ...[accessKeyId, serviceAccount, createdAt],
      problem === undefined ? description : `left out: ${problem}`,
    ]);
    const all = [["ACCESS KEY ID", "SERVICE ACCOUNT", "CREATED", "DESCRIPTION"], ...rows];
    const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
    const lines = all.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
    return `${lines.join("\n")}\n`;
  },
  json: (keys) => `${JSON.stringify(keys, undefined, 2)}\n`,
};

function readArguments(args: readonly string[]): { verb: string; operands: readonly string[]; values: Values } {
  const text = { type: "string" } as const;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        namespace: { ...text, default: "kubelambda" },
        release: { ...text, default: "kubelambda" },
        output: { ...text, default: "text" },
        "service-account": text,
        description: text,
      },
    });
    const [verb = "", ...operands] = positionals;
    return { verb, operands, values };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
