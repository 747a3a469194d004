import type { HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import { anonymous, type Caller } from "../access/caller.ts";
import type { MemoryRoom } from "../memory-budget.ts";
import type { CallOperation } from "./call-record.ts";
import { InvokeError, errorResponse } from "./errors.ts";
import type { FoundFunction, LocatedFunction } from "./find-function.ts";
import { parseInvokeHeaders, type InvocationTypes, type InvokeHeaders } from "./invoke-headers.ts";
import { proveBody, type EnteredBody } from "./prove-body.ts";
import { announcedBytes, readEvent } from "./read-event.ts";
import type { AdmittedInvocation } from "./run-invocation.ts";
import { serveCall, type CallSteps, type Served, type ServeCallParts } from "./serve-call.ts";

/** What one operation does with an admitted call. */
export interface Operation {
  readonly operation: CallOperation;
  readonly invocationTypes: InvocationTypes;
  run(call: AdmittedInvocation): Promise<Served>;
}

/** Serves one operation of the Invoke API. */
export function createServeCall(
  parts: ServeCallParts,
  operation: Operation,
): (encodedName: string, request: HttpRequest) => Promise<HttpResponse> {
  return (encodedName, request) =>
    serveCall(parts, request, new InvokeSteps(parts, operation, { encodedName, request }));
}

interface InvokeRequest {
  readonly encodedName: string;
  readonly request: HttpRequest;
}

/** What an operation of the Invoke API does of a call: who calls is known, and may, before it makes a difference whether the function is there. */
class InvokeSteps implements CallSteps {
  caller: Caller["how"] = anonymous.how;
  readonly #parts: ServeCallParts;
  readonly #operation: Operation;
  readonly #encodedName: string;
  readonly #request: HttpRequest;
  #entered: EnteredBody;
  #allowed: { readonly located: LocatedFunction; readonly objectName: string } | undefined;

  constructor(parts: ServeCallParts, operation: Operation, { encodedName, request }: InvokeRequest) {
    this.#parts = parts;
    this.#operation = operation;
    this.#encodedName = encodedName;
    this.#request = request;
    this.#entered = { source: request };
  }

  get operation(): CallOperation {
    return this.#operation.operation;
  }

  async enter(): Promise<void> {
    const { access: control, finder } = this.#parts;
    const access = await control.authenticate(this.#request);
    this.caller = access.caller.how;
    this.#entered = await proveBody(this.#parts, this.#request, { access });
    const located = finder.locate(this.#encodedName, this.#request, access.caller);
    const objectName = located.objectName();
    await control.authorize(access.caller, { ...invocation, ...located.place, name: objectName, arn: located.arn });
    this.#allowed = { located, objectName };
  }

  find(): FoundFunction {
    if (this.#allowed === undefined) throw new TypeError("Cannot find a function for nobody");
    const { located, objectName } = this.#allowed;
    const found = this.#parts.finder.find(located);
    // It has come since the caller was asked about: under another name, which the answer was not about.
    if (found.facts.objectName !== objectName) {
      throw new InvokeError("ServiceException", `Cannot invoke "${located.target.name}": it has just been made`);
    }
    return found;
  }

  readHeaders(): InvokeHeaders {
    return parseInvokeHeaders(this.#request, this.#operation.invocationTypes);
  }

  announcedBytes(): number | undefined {
    return announcedBytes(this.#request);
  }

  get heldRoom(): MemoryRoom | undefined {
    return this.#entered.room;
  }

  async readEvent(): Promise<Buffer> {
    const { bodyTimeoutMs: timeoutMs, clock } = this.#parts;
    const { source, access, room } = this.#entered;
    // The pieces of a body that was read before: as an event they are here once more.
    this.#entered = { source: this.#request, ...(room !== undefined && { room }) };
    return await readEvent(source, { timeoutMs, clock, ...(access !== undefined && { access }) });
  }

  async run(call: AdmittedInvocation): Promise<Served> {
    return await this.#operation.run(call);
  }

  refuse(error: InvokeError, requestId: string): HttpResponse {
    return errorResponse(error, requestId);
  }
}

const invocation = { subresource: "invocations", action: "lambda:InvokeFunction" } as const;
