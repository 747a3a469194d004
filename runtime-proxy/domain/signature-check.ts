/** Whether a signature may still be used, and here. Texts are AWS's. Sources: serverless/serverless#27 (Lambda, 403), serverless/enterprise#11, cllunsford/aws-signing-proxy#25, mhart/dynalite index.js. */
import { invalidSignature, type CredentialRefusal } from "./credential-refusal.ts";
import { parseBasicFormat, SIGNING_ALGORITHM, toBasicFormat, type SignatureClaim } from "./request-credentials.ts";

/** How far the clocks of caller and service may differ. */
export const CLOCK_SKEW_MS = 5 * 60_000;
const service = "lambda";
const terminator = "aws4_request";

/** Time first, then scope, as AWS does; undefined when the signature itself is to be looked at. */
export function checkClaim(claim: SignatureClaim, region: string, nowMs: number): CredentialRefusal | undefined {
  const problem = timeProblem(claim, nowMs) ?? scopeProblem(claim, region);
  return problem === undefined ? undefined : invalidSignature(problem);
}

function timeProblem({ signedAt, expiresSeconds }: SignatureClaim, nowMs: number): string | undefined {
  const signedMs = parseBasicFormat(signedAt) ?? 0;
  if (signedMs > nowMs + CLOCK_SKEW_MS) {
    const [now, latest] = [toBasicFormat(nowMs), toBasicFormat(nowMs + CLOCK_SKEW_MS)];
    return `Signature not yet current: ${signedAt} is still later than ${latest} (${now} + 5 min.)`;
  }
  const validMs = expiresSeconds === undefined ? CLOCK_SKEW_MS : expiresSeconds * 1000;
  if (signedMs >= nowMs - validMs) return undefined;
  const term = expiresSeconds === undefined ? "5 min." : `${expiresSeconds} s`;
  const [now, earliest] = [toBasicFormat(nowMs), toBasicFormat(nowMs - validMs)];
  return `Signature expired: ${signedAt} is now earlier than ${earliest} (${now} - ${term})`;
}

function scopeProblem({ scope, signedAt }: SignatureClaim, region: string): string | undefined {
  const day = signedAt.slice(0, 8);
  const problems = [
    ...(scope.region === region ? [] : [`Credential should be scoped to a valid region, not '${scope.region}'. `]),
    ...(scope.service === service ? [] : [`Credential should be scoped to correct service: '${service}'. `]),
    ...(scope.end === terminator
      ? []
      : [`Credential should be scoped with a valid terminator: '${terminator}', not '${scope.end}'. `]),
    ...(scope.date === day
      ? []
      : [
          `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${scope.date}' != '${day}', from '${signedAt}'.`,
        ]),
  ];
  return problems.length === 0 ? undefined : problems.join("");
}

/** What the secret signs. `canonicalHash` is hex. */
export function stringToSign({ signedAt, scope }: SignatureClaim, canonicalHash: string): string {
  const place = [scope.date, scope.region, scope.service, scope.end].join("/");
  return [SIGNING_ALGORITHM, signedAt, place, canonicalHash].join("\n");
}

/** Longest hint: who signs other things than small API calls finds the beginning of the text enough. */
const longestHint = 4096;

/**
 * With the hints by which a wrong signer is found, as Lambda gave them until about 2020 (aws/aws-sdk-js#168; since then the first three sentences alone,
 * erlcloud/erlcloud#690). Both strings come from the request; a session token is left out of them, since callers log errors.
 */
export function signatureMismatch(canonical: string, toSign: string): CredentialRefusal {
  const start =
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
  const shown = canonical
    .replace(/^(x-amz-security-token:).+$/m, "$1<redacted>")
    .replace(/(X-Amz-Security-Token=)[^&\n]+/, "$1<redacted>");
  const hint = `\n\nThe Canonical String for this request should have been\n'${shown}'\n\nThe String-to-Sign should have been\n'${toSign}'\n`;
  return invalidSignature(hint.length > longestHint ? start : start + hint);
}
