// The gate's pages about logins at a provider from outside, in a real browser, at npm's `oidc-provider`: in English and Korean, wide and narrow, looked at by axe-core.
// node oidc.mjs GATE SCREENSHOTS CHROMIUM
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const [gate, screenshots, executablePath] = process.argv.slice(2)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const browser = await chromium.launch({ executablePath, args: quiet })
const problems = []
const seen = {}

function expect(what, holds) {
  if (!holds) problems.push(what)
}

async function look(page, name) {
  await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true })
  // Its policy lets nothing run: the page's own text is looked at in a page that does.
  await page.evaluate(axe)
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
  for (const one of found.violations) problems.push(`${name}: ${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  expect(`${name}: wider than the window by ${wide}`, wide <= 0)
  seen[name] = { lang: await page.getAttribute('html', 'lang'), title: await page.title(), heading: await page.textContent('h1') }
}

// At the provider's development pages: any name, any password, and yes to all.
async function atTheProvider(page) {
  for (let step = 0; step < 3 && !page.url().startsWith(gate); step += 1) {
    if (await page.locator('[name=login]').count()) {
      await page.fill('[name=login]', 'alice')
      await page.fill('[name=password]', 'any')
    }
    await Promise.all([page.waitForNavigation(), page.click('button[type=submit]')])
  }
}

async function pages(suffix, options) {
  const here = await browser.newContext(options)
  here.setDefaultTimeout(15_000)
  const page = await here.newPage()
  page.on('console', (message) => message.type() === 'error' && message.location().url.startsWith(gate) && !/status of 40[0134]/.test(message.text()) && problems.push(`console: ${message.text()}`))
  // Several providers.
  await page.goto(`${gate}/both/report?q=1`)
  await look(page, `chooser${suffix}`)
  await Promise.all([page.waitForNavigation(), page.locator('a', { hasText: 'browser' }).click()])
  await atTheProvider(page)
  expect(`back at ${page.url()}`, page.url() === `${gate}/both/report?q=1`)
  expect('the backend has answered', (await page.textContent('body')).includes('reached'))
  // Back over the login: nobody is asked anew.
  await page.goBack()
  await page.goto(`${gate}/both/report?q=1`)
  expect('still logged in', (await page.textContent('body')).includes('reached'))
  // A logout that a link of another site leads to is asked about.
  await page.goto('about:blank')
  await page.setContent(`<a href="${gate}/auth/logout">out</a>`)
  await Promise.all([page.waitForNavigation(), page.click('a')])
  if ((await page.locator('main a').count()) && page.url().startsWith(`${gate}/auth/logout`)) await look(page, `logout-asked${suffix}`)
  await here.clearCookies()
  await page.goto(`${gate}/auth/logout`)
  await look(page, `logged-out${suffix}`)
  // A browser that keeps no cookie of the session.
  for (let turn = 0; turn < 6; turn += 1) {
    const reply = await page.goto(`${gate}/app/`)
    if (page.url().startsWith(gate) && reply.status() === 400) break
    await atTheProvider(page)
    await here.clearCookies({ name: 'haechi-development' })
  }
  await look(page, `loop${suffix}`)
  await page.goto(`${gate}/auth/oidc/browser/callback?state=x&code=y`)
  await look(page, `unknown-login${suffix}`)
  await here.close()
}

try {
  await pages('', { locale: 'en-US', viewport: { width: 1280, height: 800 } })
  await pages('-ko', { locale: 'ko-KR', viewport: { width: 360, height: 640 }, colorScheme: 'dark' })
} catch (error) {
  problems.push(String(error.stack ?? error))
} finally {
  await browser.close()
}
console.log(JSON.stringify({ problems, seen }))
