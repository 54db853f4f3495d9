import t from 'tap'
import { resolve, type Schema } from '../../src/contract/spec.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { urlOf } from '../support/client.ts'
import { checkAnswer, operationOf, spec } from '../support/contract-check.ts'
import { acceptable, bearer, CONSUMING, call, callRaw, createIds, exampleBodies, invalidStatusOf, isForm, WITH_BODY } from './walk.ts'

const FORM = 'application/x-www-form-urlencoded'
const JSON_BODIES = WITH_BODY.filter((id) => !isForm(id))

t.test('bodies', async (t) => {
  const { url, as, registerAdmin, logged } = await startApp(t)
  const ada = await registerAdmin()
  const params = await createIds(as(ada))
  const post = async (id: OperationId, raw: string | Buffer, headers: Record<string, string> = {}) => {
    const { accessToken } = CONSUMING.includes(id) ? await registerAdmin() : ada
    return call(url, id, accessToken, { params, raw, headers })
  }

  /** The name of a property of the body that is a plain text. */
  const textField = (id: OperationId) => {
    const { properties = {} } = resolve<Schema>(spec.document, operationOf(id).body?.schema)
    const found = Object.entries(properties).find(([, property]) => [resolve<Schema>(spec.document, property).type].flat().includes('string'))
    if (found === undefined) throw new Error(`${id} has no text in its body`)
    return found[0]
  }

  for (const id of WITH_BODY) {
    const type = isForm(id) ? FORM : 'application/json'
    const example = isForm(id) ? new URLSearchParams(exampleBodies(id)[0] as Record<string, string>).toString() : JSON.stringify(exampleBodies(id)[0])

    t.test(`${id}: 415 for any other media type, and for none`, async (t) => {
      const others = [
        'text/plain',
        'application/xml',
        'multipart/form-data; boundary=x',
        'application/jsonx',
        'application/json-patch+json',
        'json',
        ';',
      ]
      for (const other of [...others, isForm(id) ? 'application/json' : FORM, `${type}, text/plain`, `text/plain, ${type}`, `${type}\ttext/plain`]) {
        t.equal((await post(id, example, { 'Content-Type': other })).status, 415, other)
      }
      const withoutType = await fetch(urlOf(url, id, { params }), {
        method: operationOf(id).method,
        headers: bearer(ada),
        body: new TextEncoder().encode(example),
      })
      checkAnswer(id, withoutType.status, withoutType.headers, await withoutType.text())
      t.equal(withoutType.status, 415)
    })

    t.test(`${id}: 415 for a compressed body`, async (t) => {
      for (const coding of ['gzip', 'br', 'unknown']) t.equal((await post(id, example, { 'Content-Encoding': coding })).status, 415, coding)
    })

    t.test(`${id}: parameters and the case of the media type do not matter`, async (t) => {
      for (const same of [`${type};charset=utf-8`, `${type} ; charset="UTF-8"`, type.toUpperCase()]) {
        t.not((await post(id, example, { 'Content-Type': same })).status, 415, same)
      }
    })

    t.test(`${id}: ${invalidStatusOf(id)} for no body`, async (t) => {
      for (const headers of [{}, { 'Content-Type': type }, { 'Content-Type': 'text/plain' }]) {
        const { status, body } = await call(url, id, ada.accessToken, { params, headers })
        t.equal(status, invalidStatusOf(id))
        t.match(body, { errors: [{ in: 'body', path: '', code: 'required' }] })
      }
    })

    t.test(`${id}: 413 above 256 KiB, told or found out`, async (t) => {
      const headers = { ...bearer(ada), 'Content-Type': type }
      t.equal((await callRaw(url, id, params, { ...headers, 'Content-Length': '262145' }, '')).status, 413)
      t.equal((await callRaw(url, id, params, { ...headers, 'Content-Length': '9007199254740993' }, '')).status, 413)
      const chunk = `40001\r\n${' '.repeat(0x40001)}\r\n`
      t.equal((await callRaw(url, id, params, { ...headers, 'Transfer-Encoding': 'chunked' }, chunk)).status, 413)
    })
  }

  for (const id of JSON_BODIES) {
    t.test(`${id}: 256 KiB are not too large`, async (t) => {
      t.equal((await post(id, 'null'.padEnd(262_144))).status, 422)
    })

    t.test(`${id}: 400 for what is no JSON in UTF-8`, async (t) => {
      const cutOff = JSON.stringify(acceptable(id, params).body).slice(0, -1)
      const broken = [cutOff, '{', '{"a":1,}', "{'a':1}", '{a:1}', 'NaN', '01', '"\n"', '\u{feff}{}', '{}{}', ' ']
      for (const text of broken) t.equal((await post(id, text)).status, 400, JSON.stringify(text))
      for (const bytes of [
        [0x22, 0xff, 0x22],
        [0x22, 0xc0, 0x80, 0x22],
        [0x22, 0xed, 0xa0, 0x80, 0x22],
        [0x22, 0xe2, 0x82, 0x22],
      ]) {
        t.equal((await post(id, Buffer.from(bytes))).status, 400, bytes.join())
      }
      t.equal((await post(id, Buffer.from('{}', 'utf16le'))).status, 400)
    })

    t.test(`${id}: 422 for a body that is no object`, async (t) => {
      for (const text of ['null', '[]', '[{}]', '"x"', '1', '-0.5', 'true']) {
        const { status, body } = await post(id, text)
        t.equal(status, 422, text)
        t.match(body, { errors: [{ in: 'body', path: '', code: 'type' }] }, text)
      }
    })

    t.test(`${id}: 422 for an unknown field, whatever it is called`, async (t) => {
      const known = JSON.stringify(exampleBodies(id)[0]).slice(1)
      const names = ['surprise', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '', 'a/b~c', 'id', 'ownerId', 'role']
      for (const name of names.filter((name) => !(name === 'role' && id === 'updateUser'))) {
        for (const value of ['1', '{"polluted":true}', '{"prototype":{"polluted":true}}']) {
          const { status, body } = await post(id, `{${JSON.stringify(name)}:${value},${known}`)
          t.equal(status, 422, name)
          const path = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
          t.match(body, { errors: [{ in: 'body', path, code: 'additionalProperties' }] }, name)
        }
      }
      t.equal((await post(id, `{"\\u005f_proto__":{"polluted":true},${known}`)).status, 422)
      t.notOk('polluted' in {})
    })

    t.test(`${id}: 422 for NUL and lone surrogates in texts and in names`, async (t) => {
      const name = textField(id)
      const example = exampleBodies(id)[0] as object
      for (const bad of ['\\u0000', 'a\\u0000b', '\\ud800', '\\udc00', '\\udc00\\ud800', 'a\\ud83d']) {
        const value = JSON.stringify({ ...example, [name]: '@' }).replace('"@"', `"${bad}"`)
        const { status, body } = await post(id, value)
        t.equal(status, 422, bad)
        t.match(body, { errors: [{ in: 'body', path: `/${name}`, code: 'characters' }] }, bad)
        t.equal((await post(id, `{"${bad}":1}`)).status, 422, `a name with ${bad}`)
        t.equal((await post(id, `{"${name}":[["${bad}"]]}`)).status, 422, `inside a list, ${bad}`)
      }
    })

    t.test(`${id}: 400 for a body that is nested very deeply`, async (t) => {
      const deep = (depth: number, inner: string) => `{"a":${'['.repeat(depth)}${inner}${']'.repeat(depth)}}`
      t.equal((await post(id, deep(100_000, ''))).status, 400)
      t.equal((await post(id, deep(100_000, '"\\u0041"'))).status, 400)
    })

    t.test(`${id}: names no more than 20 of the fields that are wrong`, async (t) => {
      const fields = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`f${index}`, 1]))
      const { status, body } = await post(id, JSON.stringify(fields))
      t.equal(status, 422)
      t.match(body, { detail: 'The request body has more than 20 invalid fields.' })
      t.equal((body as { errors: unknown[] }).errors.length, 20)
    })
  }

  for (const id of WITH_BODY.filter(isForm)) {
    t.test(`${id}: 400 for a form that cannot be read`, async (t) => {
      const broken = ['grant_type=%zz', 'grant_type=%', 'grant_type=%ff', 'grant_type=password&grant_type=password', 'scope=%00', '%00=%00', '=\0']
      for (const text of broken) t.equal((await post(id, text)).status, 400, text)
      t.equal((await post(id, Buffer.from([0x61, 0x3d, 0xff]))).status, 400)
    })

    t.test(`${id}: ignores parameters that it does not know, whatever they are called`, async (t) => {
      const form = new URLSearchParams({ grant_type: 'password', username: ada.username, password: PASSWORD }).toString()
      for (const name of ['surprise', '__proto__', 'constructor', 'a%5Bb%5D', '']) t.equal((await post(id, `${form}&${name}=1`)).status, 200, name)
    })
  }

  t.test('none of these requests was a defect', async (t) => {
    t.same(
      logged.filter(({ level, requestId }) => Number(level) >= 40 && requestId !== undefined),
      [],
    )
  })
})
