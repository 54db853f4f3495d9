import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import type { Test } from 'tap'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/** No other name leads anywhere: what a page asks of another host fails, with a network as without. */
const HOSTS = 'MAP localhost 127.0.0.1, MAP docket.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'

/**
 * A browser that ends with the test, or undefined: where there is no Chromium the test is skipped, unless DOCKET_BROWSER=required makes it fail.
 * In it, docket.test is this machine under a name that browsers do not trust as they trust localhost.
 */
export async function openBrowser(t: Test): Promise<Browser | undefined> {
  if (!existsSync(CHROMIUM)) {
    const reason = `no Chromium at ${CHROMIUM}: install it (apt-get install chromium) or say where it is with CHROMIUM=…`
    if (process.env['DOCKET_BROWSER'] === 'required') throw new Error(reason)
    t.plan(0, reason)
    return undefined
  }
  // The sandbox does not start as root in a container, and the pages are our own.
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', `--host-resolver-rules=${HOSTS}`] })
  t.teardown(() => browser.close())
  return browser
}
