// What the scripts here share: Chromium without anything that it does by itself, what was seen and what is wrong, and a look at a page by axe-core.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export const problems = []
export const seen = {}

export function expect(what, holds) {
  if (!holds) problems.push(what)
}

export const launch = (executablePath) => chromium.launch({ executablePath, args: quiet })

// What a policy keeps from running, and every other fault, is said there. Refusals that are meant are not.
export function listen(page, meant = /status of 40[014]/) {
  page.on('console', (message) => message.type() === 'error' && !meant.test(message.text()) && problems.push(`console: ${message.text()}`))
  page.on('pageerror', (error) => problems.push(`page: ${error}`))
}

// A picture of the page, and what axe-core finds; it must not be wider than the window.
export async function look(page, name, screenshots) {
  await page.screenshot({ path: `${screenshots}/${name.replace(/[^\w-]+/g, '-')}.png`, fullPage: true })
  await page.evaluate(axe)
  const found = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly }), rules)
  for (const one of found.violations) problems.push(`${name}: ${one.id}: ${one.nodes.map((node) => node.html.slice(0, 200)).join(' ')}`)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  expect(`${name}: wider than the window by ${wide}`, wide <= 0)
  seen[name] = await page.title()
}
