/** An external extension that is there, and, with `subscribes`, takes all telemetry by HTTP and throws it away. */
export function earExtension(subscribes: boolean): string {
  return `#!${process.execPath}
const http = require("node:http");
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const call = (method, path, headers, body) => new Promise((resolve, reject) => {
  const sent = http.request({ host, port, method, path, headers }, (answer) => {
    answer.resume();
    answer.on("end", () => (answer.statusCode === 200 ? resolve(answer.headers) : reject(new Error(path))));
  });
  sent.on("error", reject);
  sent.end(body);
});
const server = http.createServer((request, response) => {
  request.resume();
  request.on("end", () => response.end());
});
server.listen(0, "127.0.0.1", async () => {
  const registered = await call("POST", "/2020-01-01/extension/register", { "Lambda-Extension-Name": "ear" }, '{"events":[]}');
  const headers = { "Lambda-Extension-Identifier": registered["lambda-extension-identifier"] };
  const destination = { protocol: "HTTP", URI: "http://sandbox.localdomain:" + server.address().port };
  const subscription = { schemaVersion: "2022-12-13", types: ["platform", "function", "extension"], destination };
  if (${subscribes}) await call("PUT", "/2022-07-01/telemetry", headers, JSON.stringify(subscription));
  await call("GET", "/2020-01-01/extension/event/next", headers);
});
`;
}
