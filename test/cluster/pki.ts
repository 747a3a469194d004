import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

/** A key and its certificate, PEM files. */
export interface Certified {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface CertificateRequest {
  /** File name without extension. */
  readonly name: string;
  /** As openssl writes it: "/O=system:nodes/CN=system:node:a". */
  readonly subject: string;
  /** "DNS:a,IP:127.0.0.1"; absent: a client's certificate. */
  readonly subjectAltNames?: string;
}

const validDays = "3650";
const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Makes a self-signed authority in the folder. */
export async function createAuthority(dir: string, name: string): Promise<Certified> {
  return await request(
    dir,
    { name, subject: `/CN=${name}` },
    [],
    [
      "basicConstraints=critical,CA:TRUE",
      "keyUsage=critical,digitalSignature,keyCertSign,cRLSign",
      "subjectKeyIdentifier=hash",
    ],
  );
}

/** Makes a key with a certificate that the authority signed. */
export async function issueCertificate(
  dir: string,
  authority: Certified,
  wanted: CertificateRequest,
): Promise<Certified> {
  const names = wanted.subjectAltNames;
  return await request(
    dir,
    wanted,
    ["-CA", authority.certFile, "-CAkey", authority.keyFile],
    [
      "basicConstraints=critical,CA:FALSE",
      "keyUsage=critical,digitalSignature,keyEncipherment",
      ...(names === undefined
        ? ["extendedKeyUsage=clientAuth"]
        : ["extendedKeyUsage=serverAuth", `subjectAltName=${names}`]),
    ],
  );
}

/** Makes the key pair that signs service account tokens: RSA, as most clusters have it. */
export async function createServiceAccountKey(dir: string): Promise<{ privateFile: string; publicFile: string }> {
  const privateFile = join(dir, "service-account.key");
  const publicFile = join(dir, "service-account.pub");
  await run("openssl", ["genrsa", "-out", privateFile, "2048"], { timeoutMs: 30_000 });
  await run("openssl", ["rsa", "-in", privateFile, "-pubout", "-out", publicFile], { timeoutMs: 10_000 });
  return { privateFile, publicFile };
}

async function request(
  dir: string,
  wanted: CertificateRequest,
  signer: readonly string[],
  extensions: readonly string[],
): Promise<Certified> {
  const configFile = join(dir, `${wanted.name}.cnf`);
  const certFile = join(dir, `${wanted.name}.crt`);
  const keyFile = join(dir, `${wanted.name}.key`);
  writeFileSync(
    configFile,
    `[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n[dn]\n[ext]\n${extensions.join("\n")}\n`,
  );
  const where = ["-config", configFile, "-subj", wanted.subject, "-keyout", keyFile, "-out", certFile];
  await run("openssl", ["req", "-x509", ...newKey, ...signer, ...where, "-days", validDays], { timeoutMs: 20_000 });
  return { certFile, keyFile };
}
