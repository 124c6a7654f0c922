// The console in a real browser: every page as administrator and as auditor, light and dark, wide and narrow, in both languages, by keyboard, and looked at by axe-core.
// node console.mjs BASE GATE PASSWORD SCREENSHOTS CHROMIUM
import { expect, launch, listen, look as seenBy, problems, seen } from './browser.mjs'

const [base, gate, password, screenshots, executablePath] = process.argv.slice(2)
const browser = await launch(executablePath)
const pages = [
  '', 'decisions', 'who-can?path=/orders/1', 'explain?path=/orders/1&roles=USER', 'matrix', 'routes', 'services', 'users', 'users/alice',
  'decisions/live', 'candidate', 'configurations', 'matrix/cell?route=orders&method=GET&caller=USER', 'review?show=all', 'zone', 'sessions', 'keys', 'clients', 'signing-keys', 'policies', 'approvals', 'audit',
]
const forms = ['users/new', 'keys/new', 'clients/new', 'policies/new?name=p', 'audit/erase']

const look = (page, name) => seenBy(page, name, `${screenshots}/console`)

async function open(who, options) {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(15_000)
  context.on('page', (page) => listen(page, /status of 4/))
  const page = await context.newPage()
  await page.goto(`${base}/console`)
  await look(page, `${who}-${options.locale}-login`)
  await page.keyboard.type(who)
  await page.keyboard.press('Tab')
  await page.keyboard.type(password)
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
  expect(`${who} is logged in`, (await page.locator('header nav').count()) === 1)
  return page
}

async function tour(who, tag, options, paths) {
  const page = await open(who, options)
  for (const path of paths) {
    await page.goto(`${base}/console/${path}`)
    await look(page, `${tag}-${path || 'overview'}`)
  }
  await page.context().close()
}

// By keyboard alone: a user is added, and a key is made, for which the password is asked again.
async function work() {
  const page = await open('root', { locale: 'en-US', viewport: { width: 1280, height: 900 } })
  await page.goto(`${base}/console/users/new`)
  await page.focus('#name')
  await page.keyboard.type('bob')
  await page.keyboard.press('Tab')
  await page.keyboard.type('short')
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
  await look(page, 'confirm-user')
  // The password of the one who adds is asked for first, and the new one once more.
  await page.keyboard.type(password)
  await page.focus('#password')
  await page.keyboard.type('short')
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
  await look(page, 'refused')
  expect('the problem is said', (await page.getByRole('alert').count()) === 1)
  expect('the name stays', (await page.inputValue('#name')) === 'bob')
  await page.focus('#password')
  await page.keyboard.type(password)
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
  expect('it is said that it is done', (await page.getByRole('status').count()) === 1)
  await page.goto(`${base}/console/keys/new`)
  await page.focus('#owner')
  await page.keyboard.type('acme')
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
  await look(page, 'secret')
  expect('the secret is shown', (await page.locator('code.secret').count()) === 1)
  await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: '한국어' }).click()])
  expect('the language is the other', (await page.getAttribute('html', 'lang')) === 'ko')
  await page.goto(`${base}/console/decisions`)
  const first = page.locator('tbody a').first()
  await Promise.all([page.waitForNavigation(), first.click()])
  await look(page, 'decision-ko')
  await page.getByRole('button', { name: '로그아웃' }).click()
  await page.waitForSelector('input[type=password]')
}

// A configuration at fault, with its line marked; one that would change access, tried in every way; and times in another zone.
async function candidate() {
  const page = await open('root', { locale: 'en-US', viewport: { width: 1280, height: 900 } })
  await page.goto(`${base}/console/configurations`)
  await Promise.all([page.waitForNavigation(), page.locator('tbody a').first().click()])
  await look(page, 'configuration')
  await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: 'Take this as a candidate' }).click()])
  const text = await page.inputValue('#text')
  await page.fill('#text', text.replace('roles: [USER]', 'roles: [USERR]'))
  await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: 'Check', exact: true }).click()])
  await look(page, 'faults')
  await page.locator('#problem a').first().click()
  expect('the line is marked', (await page.locator('.faulty:target mark').textContent()) === 'USERR')
  await page.fill('#text', text.replace('authorize: { roles: [USER] }', 'authorize: any'))
  await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: 'Check, compare' }).click()])
  await look(page, 'rehearsed')
  expect('access is wider', (await page.locator('td .bad', { hasText: 'wider' }).count()) > 0)
  await page.goto(`${base}/console/users`)
  await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: 'Time zone: UTC' }).click()])
  await page.selectOption('#zone', 'Asia/Seoul')
  await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: 'Save' }).click()])
  expect('back to the page', page.url() === `${base}/console/users`)
  expect('with both times', (await page.locator('time', { hasText: '+09:00' }).count()) > 0)
  await look(page, 'zoned')
  await page.setViewportSize({ width: 360, height: 740 })
  for (const path of ['candidate', 'matrix/cell?route=orders&method=GET&caller=USER', 'review']) {
    await page.goto(`${base}/console/${path}`)
    await look(page, `narrow-${path}`)
  }
  await page.context().close()
}

// Decisions appear as they are made, until somebody pauses.
async function live() {
  const page = await open('eve', { locale: 'en-US', viewport: { width: 1280, height: 900 } })
  await page.goto(`${base}/console/decisions/live?outcome=deny`)
  await page.waitForFunction(() => document.querySelector('#said').textContent.startsWith('Decisions appear'))
  await fetch(`${gate}/orders/7`, { headers: { 'X-API-Key': process.env.API_KEY } })
  await page.locator('#live tr', { hasText: '/orders/7' }).waitFor()
  expect('the row leads to the decision', /decisions\/[0-9a-f]+/.test(await page.locator('#live a').first().getAttribute('href')))
  await look(page, 'live')
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.waitForFunction(() => document.querySelector('#said').textContent.startsWith('Stopped'))
  await fetch(`${gate}/orders/8`, { headers: { 'X-API-Key': process.env.API_KEY } })
  await page.goto(`${base}/console/decisions?outcome=deny`)
  await page.locator('tr', { hasText: '/orders/8' }).waitFor()
  await page.context().close()
}

await live()
await work()
await candidate()
await tour('root', 'admin', { locale: 'en-US', viewport: { width: 1280, height: 900 } }, [...pages, ...forms])
await tour('root', 'narrow-ko-dark', { locale: 'ko-KR', colorScheme: 'dark', viewport: { width: 360, height: 740 } }, ['', 'decisions', 'who-can?path=/orders/1', 'matrix', 'services', 'users/alice', 'review', 'candidate', 'keys/new', 'policies/new?name=p', 'audit'])
await tour('eve', 'auditor', { locale: 'en-US', colorScheme: 'dark', viewport: { width: 1280, height: 900 } }, ['', 'users/alice', 'keys', 'policies', 'approvals', 'audit'])
await browser.close()
console.log(JSON.stringify({ problems, seen }))
