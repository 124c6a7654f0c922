// Pictures of the demo's console. node pictures.mjs SAID FOLDER CHROMIUM
import { readFileSync } from 'node:fs'
import { launch } from './browser.mjs'

const [said, folder, executablePath] = process.argv.slice(2)
const { url, admin_url: base, users, api_key: key } = JSON.parse(readFileSync(said, 'utf8'))
const paths = ['/orders/42', '/public/hello', '/admin/users', '/reports/2026', '/orders/7', '/nothing']

async function token(name) {
  const body = JSON.stringify({ username: name, password: users[name] })
  const answer = await fetch(`${url}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return (await answer.json()).access_token
}

const callers = [{}, { 'x-api-key': key }]
for (const name of ['alice', 'mina', 'root']) callers.push({ authorization: `Bearer ${await token(name)}` })
const ask = async () => { for (const headers of callers) for (const path of paths) await (await fetch(url + path, { headers })).text() }

const browser = await launch(executablePath)
const page = await (await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 })).newPage()
await page.goto(`${base}/console`)
await page.fill('#username', 'root')
await page.fill('#password', users.root)
await Promise.all([page.waitForNavigation(), page.click('main button[type=submit]')])
// Some points for the charts, which are taken every ten seconds.
for (let turn = 0; turn < 6; turn++) {
  for (let round = 0; round < 3 + 4 * (turn % 3); round++) await ask()
  await page.waitForTimeout(10_000)
}
const shot = async (path, name) => {
  await page.goto(`${base}/console${path}`)
  await page.screenshot({ path: `${folder}/${name}.png` })
}
await shot('', 'console-overview')
await shot('/decisions?outcome=deny', 'console-decisions')
await shot('/who-can?method=GET&path=/reports/2026', 'console-who-can')
await browser.close()
