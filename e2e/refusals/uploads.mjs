// Sends 20 MB to each path with each of Node's clients, and prints a line with the statuses that they got: `node uploads.mjs HTTP HTTPS PATH…`.
import http from "node:http";
import https from "node:https";
import http2 from "node:http2";

const [plain, secure, ...paths] = process.argv.slice(2);
const piece = Buffer.alloc(16_000, "x");
const PIECES = 1_250;
const headers = { authorization: "Bearer nonsense" };

/** Writes as fast as the other side reads, which is what Node's streams do. */
function upload(request) {
  let sent = 0;
  const more = () => {
    while (sent++ < PIECES) if (!request.write(piece)) return request.once("drain", more);
    request.end();
  };
  more();
}

const http1 = (client, url) =>
  new Promise((resolve) => {
    const request = client.request(url, { method: "POST", headers });
    request.on("response", (response) => response.resume().on("end", () => resolve(response.statusCode)));
    request.on("error", (fault) => resolve(fault.code));
    upload(request);
  });

const overHttp2 = (url) =>
  new Promise((resolve) => {
    const session = http2.connect(url);
    session.on("error", (fault) => resolve(fault.code));
    const request = session.request({ ":method": "POST", ":path": url.pathname, ...headers });
    request.on("response", (response) => request.resume().on("end", () => resolve(response[":status"])));
    request.on("error", (fault) => resolve(fault.code));
    request.on("close", () => session.close());
    upload(request);
  });

const byFetch = (url) =>
  fetch(url, { method: "POST", headers, body: Buffer.concat(Array(PIECES).fill(piece)) }).then(
    (response) => response.text().then(() => response.status),
    (fault) => fault.cause?.code ?? fault.message,
  );

for (const path of paths) {
  const found = [];
  for (const [base, client] of [[plain, http], [secure, https]]) {
    const url = new URL(path, base);
    found.push(await http1(client, url), await byFetch(url), await overHttp2(url));
  }
  console.log(found.join(" "));
}
