// Shows tokens with DPoP proofs: those of the npm package `dpop`, unmodified, and proofs of which one thing is wrong, made with `jose`. Says what came of each as JSON.
//
//     client.mjs keys FOLDER                   writes the issuer's key set for the gate
//     client.mjs ask FOLDER URL [OTHER-URL]    asks
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { generateKeyPair, generateProof } from 'dpop'
import * as jose from 'jose'

const [, , what, folder, base, other] = process.argv
const now = () => Math.floor(Date.now() / 1000)
const sha256 = async (text) => jose.base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))))

if (what === 'keys') {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256', { extractable: true })
  const kid = 'issuer'
  writeFileSync(`${folder}/private.jwk`, JSON.stringify(await jose.exportJWK(privateKey)))
  writeFileSync(`${folder}/jwks.json`, JSON.stringify({ keys: [{ ...(await jose.exportJWK(publicKey)), kid, alg: 'ES256' }] }))
  process.exit(0)
}

const issuerKey = await jose.importJWK(JSON.parse(readFileSync(`${folder}/private.jwk`)), 'ES256')
let tokens = 0
const token = (cnf) =>
  new jose.SignJWT({ ...(cnf && { cnf }), roles: ['USER'], jti: `t${++tokens}` })
    .setProtectedHeader({ alg: 'ES256', kid: 'issuer', typ: 'at+jwt' })
    .setIssuer('https://issuer.example').setSubject('mina').setAudience('orders').setIssuedAt().setExpirationTime('10m')
    .sign(issuerKey)

// Header fields as they are, also twice.
const send = (method, url, headers, body) =>
  new Promise((resolve, reject) => {
    const asked = request(url, { method, headers }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode, challenge: answer.headers['www-authenticate'] ?? null, body: Buffer.concat(chunks).toString() }))
    })
    asked.on('error', reject)
    asked.end(body)
  })

const told = []
const ask = async (name, method, path, headers, body, to = base) => {
  const { status, challenge } = await send(method, `${to}${path}`, headers, body)
  told.push({ name, status, challenge })
}

// Proofs of the package.
const keys = {}
for (const alg of ['ES256', 'Ed25519', 'RS256', 'PS256']) {
  const pair = await generateKeyPair(alg, { extractable: true })
  const jkt = await jose.calculateJwkThumbprint(await jose.exportJWK(pair.publicKey))
  keys[alg] = { pair, jkt, token: await token({ jkt }) }
  for (const round of ['first', 'again']) {
    const proof = await generateProof(pair, `${base}/orders/1`, 'GET', undefined, keys[alg].token)
    await ask(`good ${alg} ${round}`, 'GET', '/orders/1?a=b', { authorization: `DPoP ${keys[alg].token}`, dpop: proof })
  }
}
const { pair, jkt, token: bound } = keys.ES256
const proof = (method = 'GET', path = '/orders/1', with_ = bound) => generateProof(pair, `${base}${path}`, method, undefined, with_)
const authorization = `DPoP ${bound}`
await ask('good POST', 'POST', '/orders/1', { authorization, dpop: await proof('POST'), 'content-length': 2 }, 'ab')
await ask('good lower case', 'GET', '/orders/1', { authorization: `dpop ${bound}`, dpop: await proof() })
await ask('good with a nonce', 'GET', '/orders/1', { authorization, dpop: await generateProof(pair, `${base}/orders/1`, 'GET', 'n', bound) })

const once = await proof()
await ask('good once', 'GET', '/orders/1', { authorization, dpop: once })
await ask('replayed', 'GET', '/orders/1', { authorization, dpop: once })
if (other) {
  // The proof names one address: a client that knows the gate by one name, behind which there are two nodes.
  const host = new URL(base).host
  const shared = await proof()
  await ask('good at a node', 'GET', '/orders/1', { authorization, dpop: shared })
  await ask('replayed at the other node', 'GET', '/orders/1', { authorization, dpop: shared, host }, undefined, other)
  await ask('good at the other node', 'GET', '/orders/1', { authorization, dpop: await proof(), host }, undefined, other)
}

// Of these, one thing is wrong.
await ask('no proof', 'GET', '/orders/1', { authorization })
await ask('as bearer with a proof', 'GET', '/orders/1', { authorization: `Bearer ${bound}`, dpop: await proof() })
await ask('as bearer', 'GET', '/orders/1', { authorization: `Bearer ${bound}` })
const unbound = await token()
await ask('unbound as dpop', 'GET', '/orders/1', { authorization: `DPoP ${unbound}`, dpop: await proof('GET', '/orders/1', unbound) })
await ask('good bearer', 'GET', '/orders/1', { authorization: `Bearer ${unbound}` })
await ask('two proofs', 'GET', '/orders/1', { authorization, dpop: [await proof(), await proof()] })
await ask('of another key', 'GET', '/orders/1', { authorization, dpop: await generateProof(keys.Ed25519.pair, `${base}/orders/1`, 'GET', undefined, bound) })
await ask('for another method', 'GET', '/orders/1', { authorization, dpop: await proof('POST') })
await ask('for another path', 'GET', '/orders/1', { authorization, dpop: await proof('GET', '/orders/2') })
await ask('for another token', 'GET', '/orders/1', { authorization, dpop: await proof('GET', '/orders/1', unbound) })
const publicJwk = await jose.exportJWK(pair.publicKey)
const made = async (change, header = {}, key = pair.privateKey) => {
  const claims = { jti: crypto.randomUUID(), htm: 'GET', htu: `${base}/orders/1`, iat: now(), ath: await sha256(bound), ...change }
  return new jose.SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicJwk, ...header }).sign(key)
}
await ask('good by hand', 'GET', '/orders/1', { authorization, dpop: await made({}) })
await ask('good with another spelling', 'GET', '/orders/1', { authorization, dpop: await made({ htu: `${base.toUpperCase().replace('HTTP', 'hTTp')}/%6Frders/1?x#y` }) })
const changes = {
  'without jti': { jti: undefined },
  'with a jti that is a number': { jti: 1 },
  'without htm': { htm: undefined },
  'with htm in lower case': { htm: 'get' },
  'without htu': { htu: undefined },
  'for another host': { htu: 'http://other.example/orders/1' },
  'for another port': { htu: 'http://127.0.0.1:1/orders/1' },
  'for https': { htu: `${base.replace('http:', 'https:')}/orders/1` },
  'for a user': { htu: `${base.replace('http://', 'http://a@')}/orders/1` },
  'for a longer path': { htu: `${base}/orders/1/` },
  'for a path with dots': { htu: `${base}/orders/x/../1` },
  'without scheme': { htu: '/orders/1' },
  'without ath': { ath: undefined },
  'with ath in hex': { ath: '00' },
  'without iat': { iat: undefined },
  'too old': { iat: now() - 200 },
  'of the future': { iat: now() + 200 },
  'with iat as text': { iat: `${now()}` },
}
for (const [name, change] of Object.entries(changes)) {
  await ask(name, 'GET', '/orders/1', { authorization, dpop: await made(change) })
}
const privateJwk = await jose.exportJWK(pair.privateKey)
const headers = {
  'of another type': { typ: 'JWT' },
  'without type': { typ: undefined },
  'without jwk': { jwk: undefined },
  'with a private jwk': { jwk: privateJwk },
  'with another jwk': { jwk: await jose.exportJWK(keys.RS256.pair.publicKey) },
  'with a padded jwk': { jwk: { ...publicJwk, x: `${publicJwk.x}=` } },
  'with something critical': { crit: ['exp'], exp: now() },
}
for (const [name, header] of Object.entries(headers)) {
  let dpop
  try {
    dpop = await made({}, header)
  } catch {
    // The library refuses to sign it: signed by hand.
    const encode = (value) => jose.base64url.encode(JSON.stringify(value))
    const parts = `${encode({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicJwk, ...header })}.${encode({ jti: crypto.randomUUID(), htm: 'GET', htu: `${base}/orders/1`, iat: now(), ath: await sha256(bound) })}`
    const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, new TextEncoder().encode(parts))
    dpop = `${parts}.${jose.base64url.encode(new Uint8Array(signature))}`
  }
  await ask(name, 'GET', '/orders/1', { authorization, dpop })
}
const secret = new TextEncoder().encode('0'.repeat(64))
const oct = { kty: 'oct', k: jose.base64url.encode(secret) }
await ask('signed with a secret', 'GET', '/orders/1', { authorization, dpop: await made({}, { alg: 'HS256', jwk: oct }, secret) })
await ask('with a broken signature', 'GET', '/orders/1', { authorization, dpop: (await made({})).replace(/.{6}$/, 'AAAAAA') })
const [head, payload] = (await made({})).split('.')
await ask('unsigned', 'GET', '/orders/1', { authorization, dpop: `${jose.base64url.encode(JSON.stringify({ alg: 'none', typ: 'dpop+jwt', jwk: publicJwk }))}.${payload}.` })
await ask('of two parts', 'GET', '/orders/1', { authorization, dpop: `${head}.${payload}` })
await ask('junk', 'GET', '/orders/1', { authorization, dpop: 'junk' })
for (const [name, cnf] of Object.entries({ 'bound to nothing': {}, 'bound to a text': 'x', 'bound by jwk': { jwk: publicJwk }, 'bound by more': { jkt, kid: 'x' }, 'bound to a short thumbprint': { jkt: 'AAAA' } })) {
  const strange = await token(cnf)
  await ask(name, 'GET', '/orders/1', { authorization: `DPoP ${strange}`, dpop: await proof('GET', '/orders/1', strange) })
}

// A route that takes no token without a binding.
await ask('strict: nothing', 'GET', '/strict', {})
await ask('strict: unbound', 'GET', '/strict', { authorization: `Bearer ${unbound}` })
await ask('good strict', 'GET', '/strict', { authorization, dpop: await proof('GET', '/strict') })
console.log(JSON.stringify(told))
