// A login provider for the example: npm's `oidc-provider`, whose development pages take any name and any password.
// `node provider.mjs [PORT] [GATE]`: where it listens, and the gate's address.
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2] ?? 9000);
const gate = process.argv[3] ?? 'http://127.0.0.1:8080';
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'gate',
    client_secret: 'this-is-only-an-example',
    redirect_uris: [`${gate}/auth/oidc/browser/callback`],
    backchannel_logout_uri: `${gate}/auth/oidc/browser/backchannel_logout`,
    backchannel_logout_session_required: true,
    grant_types: ['authorization_code', 'refresh_token'],
  }],
  claims: { openid: ['sub', 'groups'], profile: ['name'] },
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
  },
  cookies: { keys: ['only-an-example'] },
  // It refuses to call this machine itself unless it is told otherwise; a logout token goes to the gate.
  fetch: (url, options) => { delete options.dispatcher; return globalThis.fetch(url, options); },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: id, groups: ['staff'] }) }),
});

provider.listen(port, '127.0.0.1', () => console.log(`listening on ${issuer}`));
