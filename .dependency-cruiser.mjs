/** Which way imports point. Each rule's comment tells whoever trips over it what to do. */
export default {
  forbidden: [
    {
      name: "contract-stands-alone",
      severity: "error",
      comment: "crds and lib import nothing of ours: move the shared shape into crds, or pass the dependency in",
      from: { path: "^(crds|lib)/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(crds|lib|operator|runtime-proxy|local|test|bench)/", pathNot: "^$1/" },
    },
    {
      name: "planes-meet-in-crds",
      severity: "error",
      comment: "operator and runtime-proxy are separate processes: put the shared shape in crds/wire",
      from: { path: "^(operator|runtime-proxy)/", pathNot: "(\\.test\\.ts$|^operator/cli/)" },
      to: { path: "^(operator|runtime-proxy)/", pathNot: "^$1/" },
    },
    {
      name: "local-imports-all",
      severity: "error",
      comment: "only the command line and local itself may import local: it is the embedded composition of everything",
      from: { path: "^(operator|runtime-proxy|crds|lib)/", pathNot: "(^operator/cli/|\\.test\\.ts$)" },
      to: { path: "^local/" },
    },
    {
      name: "one-writer",
      severity: "error",
      comment: "only the operator writes Kubernetes objects: report to it through crds/wire",
      from: { pathNot: "^(operator|lib|local|test)/" },
      to: { path: "^lib/kubernetes/apply\\.ts$" },
    },
    {
      name: "deciding-is-pure",
      severity: "error",
      comment: "a deciding file imports no node: module and no client: take what it needs as an argument",
      from: {
        path: "(/domain/[^/]+\\.ts$|/decide\\.ts$|/pods\\.ts$|^crds/)",
        pathNot: "(\\.test\\.ts$|^crds/(generate|openapi)[^/]*\\.ts$)",
      },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "express-in-one-file",
      severity: "error",
      comment: "only express.ts of a folder knows Express: speak in lib/http requests and responses",
      from: { pathNot: "(^|/)express\\.ts$" },
      to: { path: "node_modules/express/" },
    },
    {
      name: "production-without-tests",
      severity: "error",
      comment: "production never imports tests",
      from: { path: "^(crds|lib|operator|runtime-proxy|local)/", pathNot: "\\.test\\.ts$" },
      to: { path: "(^test/|\\.test\\.ts$)" },
    },
    {
      name: "no-cycles",
      severity: "error",
      comment: "break the cycle: one of the two holds two things",
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^dist/|^\\.cache/)" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
