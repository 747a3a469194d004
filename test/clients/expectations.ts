import type { ClientExpectations } from "./client-expectations.ts";
import type { ClientName } from "./clients.ts";
import { java } from "./expectations/java.ts";
import { node3, node4 } from "./expectations/node.ts";
import { go, rust, shell } from "./expectations/os-only.ts";
import { python } from "./expectations/python.ts";

export const expectations: Readonly<Record<ClientName, ClientExpectations>> = {
  "nodejs24.x": node4,
  "nodejs22.x": node3,
  "python3.11": python,
  "python3.13": python,
  java17: java,
  go,
  rust,
  shell,
};
