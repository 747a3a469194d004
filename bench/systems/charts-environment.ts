import { readFileSync } from "node:fs";
import { parse } from "yaml";

type Values = Readonly<Record<string, { readonly processEnvironment?: Readonly<Record<string, string>> } | undefined>>;

/** The variables that the chart sets for a process, and where programs are found. */
export function chartsEnvironment(name: "operator" | "router"): Readonly<Record<string, string>> {
  const text = readFileSync(new URL("../../charts/kubelambda/values.yaml", import.meta.url), "utf8");
  return { PATH: process.env["PATH"] ?? "", ...(parse(text) as Values)[name]?.processEnvironment };
}
