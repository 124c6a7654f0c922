// An authorization server for the example: npm's `oidc-provider`, which gives the gate a token for a service in exchange for a caller's (RFC 8693).
// `node server.mjs [PORT [JWKS]]`: where it listens; a file with the public keys of the gate, which then proves itself by them instead of its secret.
import { readFileSync } from 'node:fs';
import { Provider, errors } from 'oidc-provider';

const port = Number(process.argv[2] ?? 9000);
const keys = process.argv[3];
const issuer = `http://127.0.0.1:${port}`;
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** Which services there are, and in which form each gets its tokens. */
const resource = (audience, form) => ({ audience, scope: 'orders:read orders:write', accessTokenFormat: form });

const proof = keys
  ? { token_endpoint_auth_method: 'private_key_jwt', jwks: JSON.parse(readFileSync(keys, 'utf8')) }
  : { client_secret: 'this-is-only-an-example' };

const server = new Provider(issuer, {
  clients: [
    { client_id: 'gate', grant_types: [EXCHANGE], response_types: [], redirect_uris: [], ...proof },
    { client_id: 'robot', client_secret: 'this-is-only-an-example', grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
  ],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: { enabled: true, getResourceServerInfo: (_, audience) => resource(audience, 'opaque') },
  },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['EdDSA', 'ES256', 'RS256'] },
});

server.registerGrantType(
  EXCHANGE,
  async (ctx) => {
    const { client, params } = ctx.oidc;
    if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('subject_token_type');
    const shown = await server.ClientCredentials.find(params.subject_token ?? '');
    if (!shown?.isValid) throw new errors.InvalidRequest('subject_token');
    if (params.audience !== 'https://orders.internal') throw new errors.InvalidTarget('audience');
    const token = new server.AccessToken({
      accountId: shown.clientId,
      client,
      grantId: shown.jti,
      gty: 'token_exchange',
      scope: shown.scope,
    });
    token.resourceServer = new server.ResourceServer(params.audience, resource(params.audience, 'jwt'));
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: token.expiration,
      scope: token.scope,
    };
  },
  ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope'],
);

server.listen(port, '127.0.0.1', () => console.log(`listening on ${issuer}`));
