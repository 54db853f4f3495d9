import { sql } from 'kysely'
import t from 'tap'
import type { Database } from '../../src/database/database.ts'
import { inTransaction, recovering } from '../../src/database/transactions.ts'
import { startApp } from '../support/app.ts'

t.test('transactions', async (t) => {
  const { context } = await startApp(t)
  const { db } = context
  await sql`create table notes (text text primary key)`.execute(db)
  const write = (on: Database, text: string) => sql`insert into notes values (${text})`.execute(on)
  const written = async () => {
    const { rows } = await sql<{ text: string }>`delete from notes returning text`.execute(db)
    return rows.map(({ text }) => text).toSorted()
  }
  const failing = async (on: Database, text: string): Promise<never> => {
    await write(on, text)
    throw new Error('given up')
  }

  t.test('inTransaction: of its own', async (t) => {
    t.equal(await inTransaction(db, async (trx) => write(trx, 'a').then(() => 'result')), 'result')
    await t.rejects(
      inTransaction(db, (trx) => failing(trx, 'b')),
      { message: 'given up' },
    )
    t.same(await written(), ['a'])
  })

  t.test('inTransaction: inside of another, which goes on whatever becomes of it', async (t) => {
    await db.transaction().execute(async (trx) => {
      await write(trx, 'a')
      await t.rejects(
        inTransaction(trx, (inner) => failing(inner, 'b')),
        { message: 'given up' },
      )
      await t.rejects(
        inTransaction(trx, (inner) => write(inner, 'a')),
        { code: '23505' },
      )
      await inTransaction(trx, async (inner) => {
        await write(inner, 'c')
        await inTransaction(inner, (innermost) => failing(innermost, 'd')).catch(() => undefined)
        await inTransaction(inner, (innermost) => write(innermost, 'e'))
      })
    })
    t.same(await written(), ['a', 'c', 'e'])
  })

  t.test('inTransaction: inside of another, it is gone with that', async (t) => {
    const outer = db.transaction().execute(async (trx) => {
      await inTransaction(trx, (inner) => write(inner, 'a'))
      throw new Error('given up')
    })
    await t.rejects(outer, { message: 'given up' })
    t.same(await written(), [])
  })

  t.test('recovering: keeps what came before an error, as without a transaction', async (t) => {
    await db.transaction().execute(async (trx) => {
      await t.rejects(
        recovering(trx, () => failing(trx, 'a')),
        { message: 'given up' },
      )
      await t.rejects(
        recovering(trx, () => inTransaction(trx, (inner) => failing(inner, 'b'))),
        { message: 'given up' },
      )
      await write(trx, 'c')
    })
    t.same(await written(), ['a', 'c'])
  })

  t.test('recovering: goes on after a statement that failed', async (t) => {
    await db.transaction().execute(async (trx) => {
      await write(trx, 'a')
      await t.rejects(
        recovering(trx, () => write(trx, 'a')),
        { code: '23505' },
      )
      await write(trx, 'b')
      t.equal(await recovering(trx, () => write(trx, 'c').then(() => 'result')), 'result')
    })
    t.same(await written(), ['a', 'b', 'c'])
  })
})
