// An authorization server at which clients register themselves: npm's `oidc-provider`. `node server.mjs PORT`.
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2]);
const server = new Provider(`http://127.0.0.1:${port}`, {
  scopes: ['openid', 'offline_access', 'mcp:use'],
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => {
        if (!resource.endsWith('/mcp')) throw new Error(resource);
        return { scope: 'mcp:use', audience: 'mcp', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
      },
    },
  },
  cookies: { keys: ['only-a-test'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});

server.listen(port, '127.0.0.1');
