// The gate's pages about logins at a provider from outside, in a real browser, at npm's `oidc-provider`: in English and Korean, wide and narrow, looked at by axe-core.
// node oidc.mjs GATE SCREENSHOTS CHROMIUM
import { expect, launch, look as seenBy, problems, seen } from './browser.mjs'

const [gate, screenshots, executablePath] = process.argv.slice(2)
const browser = await launch(executablePath)

async function look(page, name) {
  await seenBy(page, name, screenshots)
  // As dark as its reader wants it.
  const [dark, background] = await page.evaluate(() => [matchMedia('(prefers-color-scheme: dark)').matches, getComputedStyle(document.body).backgroundColor])
  expect(`${name}: ${background} on a ${dark ? 'dark' : 'light'} screen`, background === (dark ? 'rgb(22, 22, 22)' : 'rgb(255, 255, 255)'))
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
