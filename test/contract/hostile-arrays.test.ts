import t from 'tap'
import { Validators } from '../../src/contract/validation.ts'
import { startApp } from '../support/app.ts'
import { send } from '../support/client.ts'
import { operationOf, spec } from '../support/contract-check.ts'

t.test('arrays that are made to cost much', async (t) => {
  const { as, register, url } = await startApp(t)
  const ada = await register()

  t.test('uniqueItems: each item is looked at a bounded number of times, however many there are', async (t) => {
    const validate = new Validators(spec.document).body(operationOf('createTask'))
    let looks = 0
    const count = (target: object) => {
      looks += 1
      return Reflect.ownKeys(target)
    }
    const items = Array.from({ length: 5000 }, (_, index) => new Proxy({ index }, { ownKeys: (target) => count(target) }))
    t.throws(() => validate?.({ title: 'x', categories: items }))
    t.ok(looks <= 10 * items.length, `${looks} looks at ${items.length} items`)
  })

  t.test('createTask: 422 for tens of thousands of categories', async (t) => {
    for (const category of ['"a"', '1', '{}']) {
      const raw = `{"title":"x","categories":[${Array.from({ length: 40_000 }, () => category).join()}]}`
      const response = await send(url, 'createTask', ada.accessToken, { raw })
      t.equal(response.status, 422)
      await response.body?.cancel()
    }
    t.equal((await as(ada)('createTask', { body: { title: 'x', categories: ['a', 'a'] }, expect: 422 })).body.errors?.[0]?.code, 'uniqueItems')
  })

  t.test('createTask: 400 for what is nested deeper than 32 levels, brackets in strings aside', async (t) => {
    const deep = (levels: number) => `{"title":"x","categories":[${'['.repeat(levels)}${']'.repeat(levels)},[]]}`
    t.equal((await send(url, 'createTask', ada.accessToken, { raw: deep(60_000) })).status, 400)
    t.equal((await send(url, 'createTask', ada.accessToken, { raw: deep(31) })).status, 400)
    t.equal((await send(url, 'createTask', ada.accessToken, { raw: deep(30) })).status, 422)
    t.equal((await as(ada)('createTask', { body: { title: `\\"${'['.repeat(200)}` }, expect: 201 })).body.title, `\\"${'['.repeat(200)}`)
  })
})
