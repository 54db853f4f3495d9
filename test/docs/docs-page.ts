import type { Browser, Locator, Request } from 'playwright-core'
import type { Test } from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { type VisitOptions, visit, type WatchedPage } from './watched-page.ts'

/** What the page shows of an answer; `body` is the text of it. */
export type Shown = Readonly<{ status: string; body: string; request: Request }>

/** What somebody does at /docs. */
export type DocsPage = WatchedPage &
  Readonly<{
    /** The part of the page that is about an operation. */
    block(id: OperationId): Locator
    /** The same, unfolded; the others are folded. */
    open(id: OperationId): Promise<Locator>
    /** "Execute", after the ids are typed and the example, counted from 0, is selected. */
    execute(id: OperationId, request?: { params?: Readonly<Record<string, string>>; example?: number }): Promise<Shown>
    /** The Authorize dialog, which is opened if it is not. */
    dialog(): Promise<Locator>
    closeDialog(): Promise<void>
    /** Fills in the dialog: "Authorized", or the error that it shows. */
    logIn(username: string, password: string, scopes?: readonly string[]): Promise<string>
    pasteToken(token: string): Promise<void>
    /** "Logout" in the dialog. */
    logOut(): Promise<void>
  }>

export async function openDocs(t: Test, browser: Browser, url: string, options?: VisitOptions): Promise<DocsPage> {
  const { page, troubles } = await visit(t, browser, `${url}/docs`, options)
  const modal = page.locator('.dialog-ux')
  const removeAuthorization = modal.getByRole('button', { name: 'Remove authorization' })

  const block = (id: OperationId) => page.locator(`[id="operations-${operations[id].tag}-${id}"]`)
  const open = async (id: OperationId) => {
    const summary = block(id).locator('.opblock-summary-control')
    if ((await summary.getAttribute('aria-expanded')) === 'false') {
      // One at a time: at every step the page draws all that is unfolded anew, and the tests would take three times as long.
      const unfolded = page.locator('.opblock-summary-control[aria-expanded="true"]')
      if ((await unfolded.count()) > 0) await unfolded.click()
      await unfolded.waitFor({ state: 'detached' })
      await summary.click()
    }
    await block(id).locator('.execute').waitFor()
    return block(id)
  }
  const dialog = async () => {
    if (!(await modal.isVisible())) await page.getByRole('button', { name: 'Authorize', exact: true }).click()
    await modal.waitFor()
    return modal
  }

  return {
    page,
    troubles,
    block,
    open,
    dialog,
    async execute(id, { params = {}, example } = {}) {
      const opened = await open(id)
      for (const [name, value] of Object.entries(params)) await opened.locator(`[data-param-name="${name}"] input`).fill(value)
      if (example !== undefined) await opened.locator('.opblock-section-request-body .examples-select-element').selectOption({ index: example })
      // What an earlier call left there is not this answer.
      const clear = opened.locator('.btn-clear')
      if (await clear.isVisible()) await clear.click()

      const [request] = await Promise.all([
        page.waitForRequest((sent) => new URL(sent.url()).pathname.startsWith('/api/')),
        opened.locator('.execute').click(),
      ])
      const answer = opened.locator('.live-responses-table tbody')
      const body = answer.locator('.highlight-code code')
      return {
        status: await answer.locator('.response-col_status').innerText(),
        body: (await body.count()) > 0 ? await body.innerText() : '',
        request,
      }
    },
    async closeDialog() {
      await modal.locator('.close-modal').click()
      await modal.waitFor({ state: 'detached' })
    },
    async logIn(username, password, scopes = []) {
      await dialog()
      await modal.getByLabel('username:', { exact: true }).fill(username)
      await modal.getByLabel('password:', { exact: true }).fill(password)
      for (const scope of scopes) await modal.getByText(scope, { exact: true }).click()
      await modal.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click()
      const outcome = modal.locator('.errors').or(modal.getByRole('heading', { name: 'Authorized', exact: true }))
      return outcome.innerText()
    },
    async pasteToken(token) {
      await dialog()
      const scheme = modal.locator('.auth-container').filter({ hasText: token.startsWith('dkt_') ? 'apiToken' : 'bearerAuth' })
      await scheme.getByLabel('auth-bearer-value').fill(token)
      await scheme.getByRole('button', { name: 'Apply credentials' }).click()
      await removeAuthorization.waitFor()
    },
    async logOut() {
      await dialog()
      await removeAuthorization.click()
      await removeAuthorization.waitFor({ state: 'detached' })
    },
  }
}
