// Clients that are not ours log somebody in at the gate's provider, unmodified: openid-client, oauth4webapi, and jose for the tokens. A plain HTTP client
// with a cookie jar stands in for the browser. Says what came of it as one line of JSON.
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'

const [issuer, confidential, secret, publicClient, redirectUri, username, password] = process.argv.slice(2)

class Browser {
  cookies = new Map()
  async ask(url, init = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { accept: 'text/html', 'accept-language': 'en', ...init.headers, ...(cookie && { cookie }) }
    const answer = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const set of answer.headers.getSetCookie()) {
      const [name, value] = set.split(';')[0].split('=')
      this.cookies.set(name, value)
    }
    return answer
  }
  // Opens an address and fills in what is asked for, until somebody else's address comes.
  async logIn(url) {
    let answer = await this.ask(url)
    for (let step = 0; step < 5; step++) {
      const location = answer.headers.get('location')
      if (location) return new URL(location, issuer)
      const page = await answer.text()
      const ticket = /name="ticket" value="([^"]+)"/.exec(page)[1]
      const action = /<form method="post" action="([^"]+)"/.exec(page)[1]
      const form = page.includes('value="allow"') ? { action: 'allow' } : { action: 'login', username, password }
      answer = await this.ask(new URL(action, issuer), {
        method: 'POST',
        body: new URLSearchParams({ ticket, ...form }),
        headers: { origin: issuer },
      })
    }
    throw new Error('the login leads nowhere')
  }
}

const insecure = { execute: [openid.allowInsecureRequests] }

async function withOpenidClient(clientId, authentication, browser, extra = {}) {
  const config = await openid.discovery(new URL(issuer), clientId, undefined, authentication, insecure)
  const verifier = openid.randomPKCECodeVerifier()
  const [state, nonce] = [openid.randomState(), openid.randomNonce()]
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid profile offline_access',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...extra,
  })
  const back = await browser.logIn(url)
  const tokens = await openid.authorizationCodeGrant(config, back, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    maxAge: 60,
    idTokenExpected: true,
  })
  const claims = tokens.claims()
  const person = await openid.fetchUserInfo(config, tokens.access_token, claims.sub)
  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token)
  const logout = openid.buildEndSessionUrl(config, { id_token_hint: tokens.id_token }).href
  return { config, tokens, claims, person, refreshed, logout }
}

async function withOauth4webapi(browser) {
  const options = { [oauth.allowInsecureRequests]: true }
  const found = await oauth.discoveryRequest(new URL(issuer), options)
  const as = await oauth.processDiscoveryResponse(new URL(issuer), found)
  const client = { client_id: confidential }
  const verifier = oauth.generateRandomCodeVerifier()
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: confidential,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const back = await browser.logIn(url)
  const parameters = oauth.validateAuthResponse(as, client, back, oauth.expectNoState)
  const answer = await oauth.authorizationCodeGrantRequest(
    as, client, oauth.ClientSecretPost(secret), parameters, redirectUri, verifier, options)
  const result = await oauth.processAuthorizationCodeResponse(as, client, answer, { requireIdToken: true })
  return { claims: oauth.getValidatedIdTokenClaims(result), refresh: result.refresh_token ?? null }
}

const browser = new Browser()
const first = await withOpenidClient(confidential, openid.ClientSecretBasic(secret), browser)
const keys = jose.createRemoteJWKSet(new URL(first.config.serverMetadata().jwks_uri))
const access = await jose.jwtVerify(first.tokens.access_token, keys, { issuer, audience: issuer, typ: 'at+jwt' })
const id = await jose.jwtVerify(first.tokens.id_token, keys, { issuer, audience: confidential })
// The browser is logged in: the same again needs no password.
const second = await withOpenidClient(publicClient, openid.None(), browser, { prompt: 'none' })
const third = await withOauth4webapi(browser)
console.log(JSON.stringify({
  person: first.person,
  access: access.payload,
  id: id.payload,
  refreshed: typeof first.refreshed.access_token,
  rotated: first.refreshed.refresh_token !== first.tokens.refresh_token,
  public: second.claims,
  bare: third,
  logout: first.logout,
  token: first.tokens.access_token,
}))
