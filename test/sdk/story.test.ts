import t from 'tap'
import { startApp } from '../support/app.ts'
import { freePort } from '../support/postgres.ts'
import { installSdk } from './installed.ts'
import { OUTCOME, story } from './story.ts'

t.test('the story of a program, in Node.js', async (t) => {
  const { sdk } = await installSdk(t)
  const { url, register } = await startApp(t)
  t.strictSame(await story(sdk, url, `http://127.0.0.1:${await freePort()}`), OUTCOME)

  t.test('the empty If-Match, which stands for a lost ETag, changes nothing', async (t) => {
    const { accessToken } = await register()
    const docket = sdk.createDocket({ baseUrl: url, token: accessToken })
    const { id, title } = await docket.tasks.create({ title: 'Buy milk' })
    await t.rejects(docket.tasks.update(id, { title: 'Buy oat milk' }, { ifMatch: '' }), { name: 'DocketError' })
    await t.rejects(docket.tasks.delete(id, { ifMatch: '' }), { name: 'DocketError' })
    t.equal((await docket.tasks.get(id)).title, title)
  })
})
