// The pages of the embedded provider in a real browser: by keyboard, narrow and dark, in Korean, in two tabs, and looked at by axe-core.
// node pages.mjs APP GATE USER PASSWORD SCREENSHOTS CHROMIUM SPA_PORT SPA_CLIENT
import { createServer } from 'node:http'
import { Secret, TOTP } from 'otpauth'
import { expect, launch, listen, look as seenBy, problems, seen } from './browser.mjs'

const [app, gate, user, password, screenshots, executablePath, spaPort, spaClient] = process.argv.slice(2)
const browser = await launch(executablePath)

async function context(options) {
  const made = await browser.newContext(options)
  made.setDefaultTimeout(15_000)
  made.on('page', (page) => listen(page))
  return made
}

async function look(page, name) {
  expect(`${name}: the page is not there`, !/40[0-9]/.test(await page.title()))
  await seenBy(page, name, screenshots)
}

async function logIn(page, word) {
  await page.keyboard.type(word)
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
}

async function byKeyboard() {
  const here = await context({ locale: 'en-US', viewport: { width: 1280, height: 800 } })
  const page = await here.newPage()
  await page.goto(app)
  await look(page, 'login')
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('name'))
  expect('the name has the focus', (await focused()) === 'username')
  await page.keyboard.type(user)
  await page.keyboard.press('Tab')
  await logIn(page, 'not the password at all')
  await look(page, 'login-wrong')
  expect('the problem is said', (await page.getByRole('alert').count()) === 1)
  expect('the name stays', (await page.inputValue('[name=username]')) === user)
  expect('the password does not', (await page.inputValue('[name=password]')) === '')
  expect('the password has the focus', (await focused()) === 'password')
  await logIn(page, password)
  await page.waitForURL(`${app}callback*`)
  expect('the application knows the person', (await page.textContent('pre')).includes(`hello ${user}`))
  // A second application, or the same one again: nobody is asked.
  await page.goto(app)
  await page.waitForURL(`${app}callback*`)
  // Back and forth over it leads to no fault and asks for no password.
  await page.goBack()
  await page.goForward()
  expect('the back button asks for nothing', (await page.locator('[name=password]').count()) === 0)
  await logOut(page)
  await here.close()
}

async function logOut(page) {
  await page.goto(`${gate}/auth/end_session`)
  await look(page, 'logout')
  await Promise.all([page.waitForNavigation(), page.click('button')])
  await look(page, 'logged-out')
  await page.goto(app)
  expect('after the logout the login is asked for', (await page.locator('[name=password]').count()) === 1)
}

async function narrowDarkKorean() {
  const here = await context({ locale: 'ko-KR', viewport: { width: 360, height: 640 }, colorScheme: 'dark' })
  const page = await here.newPage()
  await page.goto(app)
  await look(page, 'login-ko')
  expect('it is Korean', (await page.getAttribute('html', 'lang')) === 'ko' && /[가-힣]/.test(await page.textContent('h1')))
  await page.fill('[name=username]', user)
  await page.fill('[name=password]', 'wrong')
  await Promise.all([page.waitForNavigation(), page.click('button[value=login]')])
  await look(page, 'login-wrong-ko')
  await page.goto(`${gate}/auth/authorize?client_id=unknown`)
  await page.screenshot({ path: `${screenshots}/unknown-client-ko.png` })
  await here.close()
}

// Two tabs show the login; each comes back to where it was wanted.
async function twoTabs() {
  const here = await context({ locale: 'en-US' })
  const [first, second] = [await here.newPage(), await here.newPage()]
  await first.goto(app)
  await second.goto(app)
  for (const tab of [second, first]) {
    await tab.bringToFront()
    await tab.fill('[name=username]', user)
    await tab.fill('[name=password]', password)
    await Promise.all([tab.waitForNavigation(), tab.click('button[value=login]')])
  }
  // The application keeps one login for each browser: the last one that was begun. The provider answers both.
  for (const tab of [first, second]) expect(`a tab ended at ${tab.url()}`, tab.url().startsWith(`${app}callback?code=`))
  await here.close()
}

const press = (page, button) => Promise.all([page.waitForNavigation(), page.click(`button[value=${button}]`)])

async function logInOn(page) {
  await page.fill('[name=username]', user)
  await page.fill('[name=password]', password)
  await press(page, 'login')
}

// A person sees to their own account, wide and in English, then narrow, dark and in Korean; logs in with the app, and takes it away again.
async function ownAccount() {
  const here = await context({ locale: 'en-US', viewport: { width: 1280, height: 800 } })
  const page = await here.newPage()
  await page.goto(`${gate}/auth/account`)
  await logInOn(page)
  await look(page, 'account')
  await Promise.all([page.waitForNavigation(), page.click('a[href$="/auth/password"]')])
  await look(page, 'password')
  await page.fill('[name=password]', 'not the password')
  await page.fill('[name=new_password]', 'four goats under a red moon')
  await page.fill('[name=repeated]', 'four goats under a red moon')
  await press(page, 'change')
  await look(page, 'password-wrong')
  expect('the problem of the password is said', (await page.getByRole('alert').count()) === 1)
  await page.goto(`${gate}/auth/totp`)
  await look(page, 'second-factor')
  await page.fill('[name=password]', password)
  await press(page, 'enrol')
  await look(page, 'second-factor-set-up')
  const shown = (await page.textContent('main code')).replaceAll(' ', '')
  const totp = new TOTP({ secret: Secret.fromBase32(shown) })
  await page.fill('[name=code]', '000000')
  await press(page, 'confirm')
  await look(page, 'second-factor-wrong')
  await page.fill('[name=code]', totp.generate())
  await press(page, 'confirm')
  await look(page, 'recovery-codes')
  const recovery = await page.textContent('.codes code')
  await Promise.all([page.waitForNavigation(), page.click('main a')])
  expect('the account says that it is on', (await page.textContent('main')).includes('(on)'))
  await withTheApp(recovery)
  await page.goto(`${gate}/auth/totp`)
  await look(page, 'second-factor-on')
  await page.fill('[name=password]', password)
  await press(page, 'disable')
  expect('it is off', (await page.locator('button[value=disable]').count()) === 0)
  await here.close()
}

async function withTheApp(recovery) {
  const here = await context({ locale: 'ko-KR', viewport: { width: 360, height: 640 }, colorScheme: 'dark' })
  const page = await here.newPage()
  await page.goto(app)
  await logInOn(page)
  await look(page, 'code-ko')
  expect('the code has the focus', (await page.evaluate(() => document.activeElement.getAttribute('name'))) === 'code')
  await page.fill('[name=code]', '000000')
  await press(page, 'login')
  await look(page, 'code-wrong-ko')
  await page.fill('[name=code]', recovery)
  await press(page, 'login')
  await page.waitForURL(`${app}callback*`)
  for (const name of ['account', 'password', 'totp']) {
    await page.goto(`${gate}/auth/${name}`)
    await look(page, `${name}-ko`)
    expect(`${name} is Korean`, (await page.getAttribute('html', 'lang')) === 'ko')
  }
  await here.close()
}

// A page of another origin logs people in by itself: it exchanges the code and reads who it is, by fetch alone.
async function singlePageApplication() {
  const origin = `http://localhost:${spaPort}`
  const script = `
    const query = new URLSearchParams(location.search)
    const body = new URLSearchParams({ grant_type: 'authorization_code', code: query.get('code'), redirect_uri: '${origin}/', client_id: '${spaClient}', code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' })
    const told = async () => {
      const { token_endpoint, userinfo_endpoint } = await (await fetch('${gate}/.well-known/openid-configuration')).json()
      const { access_token } = await (await fetch(token_endpoint, { method: 'POST', body })).json()
      return (await (await fetch(userinfo_endpoint, { headers: { authorization: 'Bearer ' + access_token } })).json()).preferred_username
    }
    told().then((name) => { document.title = 'hello ' + name }, (error) => { document.title = 'failed ' + error })`
  const server = createServer((_, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>none</title><script>${script}</script>`))
  await new Promise((done) => server.listen(Number(spaPort), 'localhost', done))
  const here = await context({ locale: 'en-US' })
  const page = await here.newPage()
  const asked = new URLSearchParams({ client_id: spaClient, redirect_uri: `${origin}/`, response_type: 'code', scope: 'openid profile', code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' })
  await page.goto(`${gate}/auth/authorize?${asked}`)
  await logInOn(page)
  await page.waitForFunction(() => document.title !== 'none')
  expect(`the page of another origin says: ${await page.title()}`, (await page.title()) === `hello ${user}`)
  await here.close()
  server.close()
}

try {
  await byKeyboard()
  await narrowDarkKorean()
  await twoTabs()
  await ownAccount()
  await singlePageApplication()
} catch (error) {
  problems.push(String(error.stack ?? error))
} finally {
  await browser.close()
}
console.log(JSON.stringify({ problems, seen }))
