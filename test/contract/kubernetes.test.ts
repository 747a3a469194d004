import { startApiServer } from "../kit/kubernetes/api-server-under-test.ts";
import { kubernetesClientContract } from "./kubernetes-client-suite.ts";

kubernetesClientContract("ApiServerClient with a real API server", () => startApiServer());
