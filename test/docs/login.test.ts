import t from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { openBrowser } from '../support/browser.ts'
import { spec } from '../support/contract-check.ts'
import { openDocs } from './docs-page.ts'

t.test('Authorize at /docs', async (t) => {
  const browser = await openBrowser(t)
  if (browser === undefined) return
  const { url, as, register, registerAdmin } = await startApp(t)

  t.test('without a login: 401 from what is protected, 200 from what is not', async (t) => {
    const { execute, troubles } = await openDocs(t, browser, url)
    t.equal((await execute('getMe')).status, '401')
    t.equal((await execute('getLiveness')).status, '200')
    t.same(troubles, [])
  })

  t.test('a wrong password: the dialog says so, and takes the right one next', async (t) => {
    const { username } = await register()
    const { logIn, closeDialog, execute, troubles } = await openDocs(t, browser, url)
    t.match(await logIn(username, 'not their password'), 'The username or the password is wrong.')
    t.equal(await logIn(username, PASSWORD), 'Authorized')
    await closeDialog()
    t.equal((await execute('getMe')).status, '200')
    t.same(troubles, [])
  })

  t.test('a pasted token: 200 to its owner', async (t) => {
    const { username, accessToken } = await register()
    const { pasteToken, closeDialog, execute, troubles } = await openDocs(t, browser, url)
    await pasteToken(accessToken)
    await closeDialog()
    const { status, body } = await execute('getMe')
    t.equal(status, '200')
    t.match(JSON.parse(body), { username })
    t.same(troubles, [])
  })

  t.test('a pasted API token: 200 where it is one of the schemes', async (t) => {
    const ada = await register()
    const newToken = { name: 'Docs', scopes: ['account:read' as const], currentPassword: PASSWORD }
    const { token } = (await as(ada)('createApiToken', { body: newToken, expect: 201 })).body
    const { pasteToken, closeDialog, execute, troubles } = await openDocs(t, browser, url)
    await pasteToken(token)
    await closeDialog()
    const { status, body } = await execute('getMe')
    t.equal(status, '200')
    t.match(JSON.parse(body), { username: ada.username })
    t.same(troubles, [])
  })

  t.test('a reload keeps the login, and the browser keeps neither the password nor the refresh token', async (t) => {
    const { username } = await register()
    const { page, block, logIn, execute, troubles } = await openDocs(t, browser, url)
    const [response] = await Promise.all([page.waitForResponse(`${url}/api/v1/auth/token`), logIn(username, PASSWORD)])
    const token = (await response.json()) as { access_token: string; refresh_token: string }

    const kept = async () => {
      const session = (await page.evaluate('JSON.stringify(sessionStorage)')) as string
      return JSON.stringify(await page.context().storageState({ indexedDB: true })) + session
    }
    const checkKept = async () => {
      const everything = await kept()
      t.ok(everything.includes(token.access_token))
      t.notOk(everything.includes(PASSWORD))
      t.notOk(everything.includes(token.refresh_token))
    }
    await checkKept()
    await page.reload()
    await block('getMe').waitFor()
    t.equal((await execute('getMe')).status, '200')
    await checkKept()
    t.same(troubles, [])
  })

  t.test('logging out in the dialog: 401 from the next call, and nothing is kept', async (t) => {
    const { username, accessToken } = await register()
    const { page, block, logIn, pasteToken, logOut, closeDialog, execute, troubles } = await openDocs(t, browser, url)
    for (const enter of [() => logIn(username, PASSWORD), () => pasteToken(accessToken)]) {
      await enter()
      await closeDialog()
      t.equal((await execute('getMe')).status, '200')
      await logOut()
      await closeDialog()
      t.equal((await execute('getMe')).status, '401')
    }
    t.notMatch(JSON.stringify(await page.context().storageState()), 'eyJ')
    await page.reload()
    await block('getMe').waitFor()
    t.equal((await execute('getMe')).status, '401')
    t.same(troubles, [])
  })

  t.test('a session that has ended: 401, until its owner logs out and in again', async (t) => {
    const { username } = await register()
    const { logIn, logOut, closeDialog, execute, troubles } = await openDocs(t, browser, url)
    await logIn(username, PASSWORD)
    await closeDialog()
    t.equal((await execute('logout')).status, '204')
    t.equal((await execute('getMe')).status, '401')
    await logOut()
    t.equal(await logIn(username, PASSWORD), 'Authorized')
    await closeDialog()
    t.equal((await execute('getMe')).status, '200')
    t.same(troubles, [])
  })

  t.test('the dialog lists every scope with its meaning, and none is selected', async (t) => {
    const { dialog, troubles } = await openDocs(t, browser, url)
    const scopes = (await dialog()).locator('.scopes .checkbox')
    const { oauth2 } = spec.document.components.securitySchemes as { oauth2: { flows: { password: { scopes: Record<string, string> } } } }
    const shown = await Promise.all(
      (await scopes.all()).map(async (scope) => [await scope.locator('.name').innerText(), await scope.locator('.description').innerText()]),
    )
    t.same(shown, Object.entries(oauth2.flows.password.scopes))
    t.equal(await scopes.locator('input:checked').count(), 0)
    t.same(troubles, [])
  })

  t.test('a login with tasks:read alone: 200 from a read, 403 from a write and from another scope', async (t) => {
    const { username } = await register()
    const { logIn, closeDialog, execute, troubles } = await openDocs(t, browser, url)
    t.equal(await logIn(username, PASSWORD, ['tasks:read']), 'Authorized')
    await closeDialog()
    t.equal((await execute('listTasks')).status, '200')
    const refused = await execute('createTask')
    t.equal(refused.status, '403')
    t.match(JSON.parse(refused.body), { code: 'INSUFFICIENT_SCOPE' })
    t.equal((await execute('getMe')).status, '403')
    t.same(troubles, [])
  })

  t.test('the scope admin: an error in the dialog to a user, and 200 from listUsers to an admin', async (t) => {
    const user = await openDocs(t, browser, url)
    t.match(await user.logIn((await register()).username, PASSWORD, ['admin']), 'invalid_scope')
    t.same(user.troubles, [])

    const admin = await openDocs(t, browser, url)
    t.equal(await admin.logIn((await registerAdmin()).username, PASSWORD, ['admin']), 'Authorized')
    await admin.closeDialog()
    t.equal((await admin.execute('listUsers')).status, '200')
    t.same(admin.troubles, [])
  })
})
