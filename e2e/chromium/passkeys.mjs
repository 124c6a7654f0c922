// Passkeys of the embedded provider in a real browser, with its virtual authenticator: added, used alone and beside the password, refused, taken away.
// node passkeys.mjs GATE REQUEST VERIFIER USER PASSWORD SCREENSHOTS CHROMIUM HAECHI FOLDER
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import { Secret, TOTP } from 'otpauth'
import { expect, launch, listen, look as seenBy, problems, seen } from './browser.mjs'

const [gate, asked, verifier, user, password, screenshots, executablePath, haechi, folder] = process.argv.slice(2)
// The application, at whatever port of this machine.
const application = createServer((_, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>back</title>'))
await new Promise((done) => application.listen(0, '127.0.0.1', done))
const redirect = `http://127.0.0.1:${application.address().port}/cb`
const request = `${asked}&redirect_uri=${encodeURIComponent(redirect)}`
const client_id = new URL(asked).searchParams.get('client_id')
const browser = await launch(executablePath)
const logins = {}

const look = (page, name) => seenBy(page, name, screenshots)

// A page with a device of its own.
async function person(options) {
  const here = await browser.newContext(options)
  here.setDefaultTimeout(15_000)
  const page = await here.newPage()
  listen(page)
  const device = await here.newCDPSession(page)
  await device.send('WebAuthn.enable')
  const { authenticatorId } = await device.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  })
  return { here, page, device, authenticatorId }
}

const press = (page, button) => Promise.all([page.waitForNavigation(), page.click(`button[value=${button}]`)])
const use = (page) => Promise.all([page.waitForNavigation(), page.click('[data-start]')])
const alerts = (page) => page.locator('[role=alert]:visible').count()

async function logIn(page) {
  await page.fill('[name=username]', user)
  await page.fill('[name=password]', password)
  await press(page, 'login')
}

async function logOut(page) {
  await page.goto(`${gate}/auth/end_session`)
  if (await page.locator('button[value=logout]').count()) await press(page, 'logout')
}

async function arrived(page, name) {
  await page.waitForURL(`${redirect}?*`)
  const code = new URL(page.url()).searchParams.get('code')
  const body = new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirect, client_id, code_verifier: verifier })
  const tokens = await (await fetch(`${gate}/auth/token`, { method: 'POST', body })).json()
  const said = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
  const { amr, acr, mfa } = said(tokens.access_token)
  const strong = await fetch(`${gate}/strong/`, { headers: { authorization: `Bearer ${tokens.access_token}` } })
  logins[name] = { amr, acr, mfa, id: said(tokens.id_token).amr, strong: strong.status }
}

async function add(page, name) {
  await page.goto(`${gate}/auth/passkeys`)
  await page.fill('[name=name]', name)
  await page.fill('[name=password]', password)
  await press(page, 'add')
}

async function added(page) {
  await page.goto(`${gate}/auth/account`)
  await logIn(page)
  await Promise.all([page.waitForNavigation(), page.click('a[href$="/auth/passkeys"]')])
  await look(page, 'passkeys-none')
  await page.fill('[name=name]', 'laptop')
  await page.fill('[name=password]', 'not the password')
  await press(page, 'add')
  await look(page, 'passkeys-wrong-password')
  expect('a wrong password adds nothing', (await alerts(page)) === 1)
  await add(page, 'laptop')
  await look(page, 'passkey-new')
  await use(page)
  expect('the passkey is shown', (await page.textContent('main')).includes('laptop'))
  await look(page, 'passkeys-one')
  // The same device again: the browser itself says that it is known.
  await add(page, 'laptop again')
  await page.click('[data-start]')
  await page.locator('[data-failed]:visible').waitFor()
}

// What was sent once is sent again, in this browser, and in another one.
async function replayed(page, here) {
  await page.goto(request)
  const sent = page.waitForRequest((one) => one.method() === 'POST' && one.url().endsWith('/auth/authorize'))
  await use(page)
  const body = (await sent).postData()
  await arrived(page, 'again')
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: gate }
  const refused = await here.request.post(`${gate}/auth/authorize`, { data: body, headers, maxRedirects: 0 })
  expect(`a replay is answered ${refused.status()}`, refused.status() === 400 && (await refused.text()).includes('role="alert"'))
  const stranger = await browser.newContext()
  const stolen = await stranger.request.post(`${gate}/auth/authorize`, { data: body, headers, maxRedirects: 0 })
  expect(`another browser is answered ${stolen.status()}`, stolen.status() === 400)
  await stranger.close()
  await logOut(page)
}

// One part of the answer is changed on its way.
async function changed(page, change) {
  await page.route('**/auth/authorize', async (route) => {
    if (route.request().method() !== 'POST') return route.continue()
    const form = new URLSearchParams(route.request().postData())
    form.set('passkey', JSON.stringify(change(JSON.parse(form.get('passkey')))))
    await route.continue({ postData: form.toString() })
  })
  await page.goto(request)
  await use(page)
  await page.unroute('**/auth/authorize')
  return page.url().startsWith(gate) && (await alerts(page)) === 1
}

async function alone({ page, here, device, authenticatorId }) {
  await page.goto(request)
  await look(page, 'passkey-login')
  await use(page)
  await arrived(page, 'alone')
  await logOut(page)
  await replayed(page, here)
  const flags = (answer) => {
    const bytes = Buffer.from(answer.authenticatorData, 'base64url')
    bytes[32] ^= 0x02
    return { ...answer, authenticatorData: bytes.toString('base64url') }
  }
  expect('flags that were not signed', await changed(page, flags))
  await look(page, 'passkey-refused')
  expect('another user', await changed(page, (answer) => ({ ...answer, userHandle: 'c29tZWJvZHk' })))
  expect('an unknown passkey', await changed(page, (answer) => ({ ...answer, id: 'AAAA' })))
  // A device that does not know who is there.
  await device.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await page.goto(request)
  await page.click('[data-start]')
  await page.locator('[data-failed]:visible').waitFor()
  await look(page, 'passkey-failed')
  await device.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true })
}

// With an authenticator app as a second factor, the passkey does in place of its code, or of both.
async function beside(page) {
  await page.goto(`${gate}/auth/totp`)
  await logIn(page)
  await page.goto(request)
  await arrived(page, 'password')
  await page.goto(`${gate}/auth/totp`)
  await page.fill('[name=password]', password)
  await press(page, 'enrol')
  const secret = (await page.textContent('main code')).replaceAll(' ', '')
  await page.fill('[name=code]', new TOTP({ secret: Secret.fromBase32(secret) }).generate())
  await press(page, 'confirm')
  await logOut(page)
  await page.goto(request)
  await logIn(page)
  await look(page, 'passkey-second')
  await use(page)
  await arrived(page, 'beside')
  await logOut(page)
  await page.goto(request)
  await use(page)
  await arrived(page, 'alone with a second factor')
}

// A passkey is asked for beside the password, without an app: the password alone lets nobody in, and a recovery code does in its place.
async function required(page) {
  await page.goto(`${gate}/auth/totp`)
  await page.fill('[name=password]', password)
  await press(page, 'disable')
  await page.fill('[name=password]', password)
  await look(page, 'second-factor-passkey')
  await press(page, 'passkey')
  const recovery = await page.textContent('.codes code')
  await page.goto(request)
  await logIn(page)
  await look(page, 'passkey-required')
  expect('the page asks for the passkey', (await page.textContent('main')).includes('Use your passkey'))
  await page.fill('[name=code]', '000000')
  await press(page, 'login')
  expect('no code of an app does', (await alerts(page)) === 1)
  await use(page)
  await arrived(page, 'required')
  await page.goto(`${gate}/auth/passkeys`)
  await press(page, 'remove')
  await page.fill('[name=password]', password)
  await press(page, 'confirm')
  await look(page, 'passkey-last')
  expect('the last one stays', (await alerts(page)) === 1 && (await page.textContent('main')).includes('laptop'))
  await logOut(page)
  await page.goto(request)
  await logIn(page)
  await page.fill('[name=code]', recovery)
  await press(page, 'login')
  await arrived(page, 'recovered')
  await page.goto(`${gate}/auth/totp`)
  await page.fill('[name=password]', password)
  await press(page, 'disable')
}

async function takenAway(page) {
  await page.goto(`${gate}/auth/passkeys`)
  await press(page, 'remove')
  await look(page, 'passkey-remove')
  await page.fill('[name=password]', 'not the password')
  await press(page, 'confirm')
  expect('a wrong password removes nothing', (await alerts(page)) === 1)
  await page.fill('[name=password]', password)
  await press(page, 'confirm')
  expect('who has taken one away logs in anew', (await page.locator('[name=username]:visible').count()) === 1)
  await page.goto(request)
  await use(page)
  expect('what was taken away lets nobody in', page.url().startsWith(gate) && (await alerts(page)) === 1)
}

async function byAnOperator({ page, device, authenticatorId }) {
  await device.send('WebAuthn.clearCredentials', { authenticatorId })
  await page.goto(`${gate}/auth/passkeys`)
  await logIn(page)
  await add(page, 'phone')
  await use(page)
  await page.goto(`${gate}/auth/totp`)
  await page.fill('[name=password]', password)
  await press(page, 'passkey')
  await page.goto(`${gate}/auth/passkeys`)
  await use(page)
  expect('the passkey leads to the page', (await page.textContent('main')).includes('phone'))
  const shown = () => JSON.parse(execFileSync(haechi, ['user', 'show', user, '--output', 'json'], { cwd: folder })).passkeys
  expect('an operator sees one', shown() === 1)
  execFileSync(haechi, ['user', 'remove-passkeys', user], { cwd: folder, stdio: 'pipe' })
  expect('an operator sees none', shown() === 0)
  await page.goto(`${gate}/auth/passkeys`)
  expect('its login has ended', (await page.locator('[name=username]:visible').count()) === 1)
  await use(page)
  expect('it lets nobody in any more', (await alerts(page)) === 1)
  await logIn(page)
  expect('none is asked for any more', (await page.textContent('main')).includes('You have none yet'))
}

async function narrowDarkKorean() {
  const one = await person({ locale: 'ko-KR', viewport: { width: 360, height: 640 }, colorScheme: 'dark' })
  const { here, page } = one
  await page.goto(`${gate}/auth/passkeys`)
  await look(page, 'passkey-login-ko')
  await logIn(page)
  await page.fill('[name=name]', '휴대폰')
  await page.fill('[name=password]', password)
  await press(page, 'add')
  await look(page, 'passkey-new-ko')
  await use(page)
  await look(page, 'passkeys-ko')
  await press(page, 'remove')
  await look(page, 'passkey-remove-ko')
  await here.close()
}

// Without script everything else works, and no button is there that does nothing.
async function withoutScript() {
  const here = await browser.newContext({ javaScriptEnabled: false })
  const page = await here.newPage()
  await page.goto(request)
  expect('no button without script', (await page.locator('[data-start]:visible').count()) === 0)
  await here.close()
}

try {
  const one = await person({ locale: 'en-US', viewport: { width: 1280, height: 800 } })
  await added(one.page)
  await logOut(one.page)
  await alone(one)
  await beside(one.page)
  await required(one.page)
  await takenAway(one.page)
  await byAnOperator(one)
  await one.here.close()
  await narrowDarkKorean()
  await withoutScript()
} catch (error) {
  problems.push(String(error.stack ?? error))
} finally {
  await browser.close()
  application.close()
}
console.log(JSON.stringify({ problems, seen, logins }))
