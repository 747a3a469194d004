import { readFileSync } from "node:fs";
import { parse } from "yaml";

type Values = Readonly<Record<string, { readonly processEnvironment?: Readonly<Record<string, string>> } | undefined>>;

/** What the chart sets for a process; nothing where it says nothing. */
export function chartsEnvironment(process: "operator" | "router"): Readonly<Record<string, string>> {
  const text = readFileSync(new URL("../../charts/kubelambda/values.yaml", import.meta.url), "utf8");
  return (parse(text) as Values)[process]?.processEnvironment ?? {};
}
