// An authorization server for the example: npm's `oidc-provider`, whose access tokens are opaque.
// `node server.mjs [PORT]`: where it listens.
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2] ?? 9000);
const issuer = `http://127.0.0.1:${port}`;

const server = new Provider(issuer, {
  clients: [
    {
      client_id: 'gate',
      client_secret: 'this-is-only-an-example',
      grant_types: [],
      response_types: [],
      redirect_uris: [],
      introspection_signed_response_alg: 'RS256',
    },
    {
      client_id: 'robot',
      client_secret: 'this-is-only-an-example',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    },
  ],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, audience) => ({ scope: 'orders:read orders:write', audience, accessTokenFormat: 'opaque' }),
    },
  },
});

server.listen(port, '127.0.0.1', () => console.log(`listening on ${issuer}`));
