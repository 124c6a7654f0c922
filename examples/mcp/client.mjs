// An MCP client that knows the server's address and nothing else. `node client.mjs [SERVER] [PORT]`: the server, and where the browser comes back to.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

const server = new URL(process.argv[2] ?? 'http://127.0.0.1:8080/mcp');
const port = Number(process.argv[3] ?? 3000);
const redirectUrl = `http://127.0.0.1:${port}/callback`;
const state = randomBytes(32).toString('base64url');
const kept = {};

// What the SDK's authorization asks of its user: to keep things, and to open a page.
const authProvider = {
  redirectUrl,
  clientMetadata: { client_name: 'example client', redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none' },
  state: () => state,
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: (page) => console.log(`open ${page}`),
};

// The code that the browser brings back, of the login that was begun here.
const code = new Promise((resolve, reject) => {
  const waiting = createServer((request, answer) => {
    const url = new URL(request.url, redirectUrl);
    if (url.pathname !== '/callback' || url.searchParams.get('state') !== state) return answer.writeHead(404).end();
    answer.end('You may close this page.');
    waiting.close();
    const given = url.searchParams.get('code');
    if (given) resolve(given);
    else reject(new Error(url.searchParams.get('error')));
  }).listen(port, '127.0.0.1');
});

const connect = async () => {
  const transport = new StreamableHTTPClientTransport(server, { authProvider });
  const client = new Client({ name: 'example', version: '1.0.0' });
  try {
    await client.connect(transport);
    return client;
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(await code);
    return connect();
  }
};

const client = await connect();
const { content } = await client.callTool({ name: 'whoami' });
console.log(content[0].text);
await client.close();
