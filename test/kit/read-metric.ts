import { request } from "undici";

/** A figure without labels of a process' `/metrics`; NaN: it is not there. */
export async function readMetric(healthPort: number, name: string): Promise<number> {
  const { body } = await request(`http://127.0.0.1:${healthPort}/metrics`);
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await body.text())?.[1]);
}
