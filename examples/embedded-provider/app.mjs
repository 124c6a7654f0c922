// A small application that logs people in at the gate's provider: authorization code with PKCE, without a package. node app.mjs PORT GATE CLIENT_ID
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'

const [port, gate, clientId] = process.argv.slice(2)
const redirectUri = `http://127.0.0.1:${port}/callback`
const provider = await (await fetch(`${gate}/.well-known/openid-configuration`)).json()
const random = () => randomBytes(32).toString('base64url')
const page = (answer, status, text) => {
  const safe = text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)
  answer.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(`<!doctype html><title>Orders</title><pre>${safe}</pre><a href="/">Log in</a>`)
}

createServer(async (request, answer) => {
  const url = new URL(request.url, redirectUri)
  if (url.pathname === '/') {
    // What this browser began, and nobody else: kept in a cookie until the answer comes.
    const [state, verifier] = [random(), random()]
    const to = new URL(provider.authorization_endpoint)
    to.search = new URLSearchParams({
      client_id: clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid profile',
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    })
    const cookie = `login=${state}.${verifier}; Path=/callback; HttpOnly; SameSite=Lax`
    return answer.writeHead(303, { location: to.href, 'set-cookie': cookie }).end()
  }
  if (url.pathname !== '/callback') return page(answer, 404, 'nothing is here')
  const [state, verifier] = (/login=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '').split('.')
  const said = url.searchParams
  if (!state || said.get('state') !== state || said.get('iss') !== provider.issuer) return page(answer, 400, 'this login was not begun here')
  if (said.has('error')) return page(answer, 403, `the login came to nothing: ${said.get('error')}`)
  const tokens = await fetch(provider.token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: said.get('code'),
      redirect_uri: redirectUri,
      client_id: clientId,
      code_verifier: verifier,
    }),
  })
  if (!tokens.ok) return page(answer, 502, `no token: ${await tokens.text()}`)
  const { access_token: token } = await tokens.json()
  const authorization = `Bearer ${token}`
  const person = await (await fetch(provider.userinfo_endpoint, { headers: { authorization } })).json()
  const orders = await fetch(`${gate}/orders/`, { headers: { authorization } })
  page(answer, 200, `hello ${person.preferred_username}\nyour orders: ${orders.status} ${await orders.text()}`)
}).listen(Number(port), '127.0.0.1')
