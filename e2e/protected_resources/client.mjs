// An MCP client's way to a token: the authorization code of `@modelcontextprotocol/sdk`, unmodified.
// `node client.mjs SERVER STATE [CODE]`: the server's address, a file that outlives the login page, and what came back from it.
import { auth, extractWWWAuthenticateParams } from '@modelcontextprotocol/sdk/client/auth.js';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const [server, file, code] = process.argv.slice(2);
const state = existsSync(file) ? JSON.parse(readFileSync(file)) : {};
const keep = (more) => writeFileSync(file, JSON.stringify(Object.assign(state, more)));

const provider = {
  redirectUrl: 'http://127.0.0.1:9/callback',
  clientMetadata: {
    client_name: 'a test',
    application_type: 'native',
    redirect_uris: ['http://127.0.0.1:9/callback'],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  clientInformation: () => state.client,
  saveClientInformation: (client) => keep({ client }),
  tokens: () => state.tokens,
  saveTokens: (tokens) => keep({ tokens }),
  codeVerifier: () => state.verifier,
  saveCodeVerifier: (verifier) => keep({ verifier }),
  redirectToAuthorization: (page) => keep({ page: String(page) }),
};

const refused = await fetch(server);
const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(refused);
const outcome = await auth(provider, { serverUrl: server, resourceMetadataUrl, scope, authorizationCode: code });
const reached = outcome === 'AUTHORIZED'
  ? await fetch(server, { headers: { authorization: `Bearer ${state.tokens.access_token}` } })
  : undefined;
console.log(JSON.stringify({
  refused: refused.status, metadata: String(resourceMetadataUrl), outcome, page: state.page, reached: reached?.status,
}));
