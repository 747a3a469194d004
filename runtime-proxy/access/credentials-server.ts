import { jsonResponse, type HttpHandler } from "../../lib/http/handler.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import type { FunctionCredentialMint } from "./function-credentials.ts";

/** Gives an agent credentials of its pod's account: the token proves the pod, and nothing that the agent says counts. */
export function createCredentialsServer(mint: FunctionCredentialMint, verifyToken: TokenVerifier): HttpHandler {
  return async ({ method, headers }) => {
    if (method !== "POST") return jsonResponse(405, { message: `Cannot serve ${method}: right is POST` });
    const check = await verifyToken(headers["authorization"]);
    if (!check.ok) return jsonResponse(401, { message: `Cannot give credentials: ${check.reason}` });
    if (check.identity.podUid === undefined) {
      return jsonResponse(401, { message: "Cannot give credentials: the token is of no pod" });
    }
    return jsonResponse(200, mint.mint(check.identity), { "cache-control": "no-store" });
  };
}
