import type { Browser, BrowserContextOptions, Page, Route } from 'playwright-core'
import type { Test } from 'tap'

export type WatchedPage = Readonly<{
  page: Page
  /** Everything so far that a page of ours must not do. */
  troubles: readonly string[]
}>

/** A telephone: it shows a page that does not say otherwise as if it were 980 pixels wide. */
export const TELEPHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }

/** `servedBy` is the server that answers for another one in the address bar. */
export type VisitOptions = BrowserContextOptions & { servedBy?: string }

/** Opens a page as somebody who was never there before, and takes note of each error, each request that fails and each one to another host. */
export async function visit(t: Test, browser: Browser, address: string, { servedBy, ...options }: VisitOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const { origin } = new URL(address)
  if (servedBy !== undefined) {
    const answer = (route: Route) => route.fetch({ url: route.request().url().replace(origin, servedBy) })
    await page.route(`${origin}/**`, async (route) => route.fulfill({ response: await answer(route) }))
  }
  const troubles: string[] = []

  // A breach of the Content-Security-Policy is an error in the console, too.
  page.on('console', (message) => {
    const { url } = message.location()
    // How the browser remarks on a 4xx of the API: the tests say which one they expect.
    const refused =
      url.startsWith(`${origin}/api/v1/`) && message.text().startsWith('Failed to load resource: the server responded with a status of 4')
    if (['error', 'warning'].includes(message.type()) && !refused) troubles.push(`console: ${message.text()} (${url})`)
  })
  page.on('pageerror', (error) => troubles.push(`error: ${error.message}`))
  page.on('requestfailed', (request) => troubles.push(`failed: ${request.url()} ${request.failure()?.errorText}`))
  page.on('request', (request) => {
    const { protocol, origin: asked } = new URL(request.url())
    if (protocol !== 'data:' && asked !== origin) troubles.push(`elsewhere: ${request.url()}`)
  })
  await page.goto(address)
  return { page, troubles }
}

/** How far the page is wider than the screen that it is shown on, in pixels. */
export async function overflow(page: Page): Promise<number> {
  return (await page.evaluate('document.documentElement.scrollWidth - screen.width')) as number
}
