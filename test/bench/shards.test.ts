import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import t from 'tap'
import { balance, hashUuid, imbalanceOf, loadsOf, placeOwners, report, zipfShares } from '../../bench/shards.ts'
import { startApp } from '../support/app.ts'

t.test('shards', async (t) => {
  t.test('hashUuid is the hash of PostgreSQL', async (t) => {
    const { context } = await startApp(t)
    const uuids = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', ...Array.from({ length: 50 }, () => randomUUID())]
    const { rows } = await sql<{ uuid: string; hash: number }>`
      select uuid, uuid_hash(uuid::uuid) as hash from unnest(${uuids}::text[]) as uuid`.execute(context.db)
    t.equal(rows.length, uuids.length)
    for (const { uuid, hash } of rows) {
      const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')
      t.equal(hashUuid(bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12)), hash, uuid)
    }
  })

  t.test('zipfShares gives the largest its share, and all of them everything', async (t) => {
    const shares = zipfShares(10_000, 0.05)
    t.ok(Math.abs(Number(shares[0]) - 0.05) < 1e-6)
    t.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9)
    t.ok(shares.every((share, owner) => owner === 0 || share < Number(shares[owner - 1])))
  })

  t.test('equal owners spread evenly, and doubling halves every shard', async (t) => {
    const places = placeOwners(100_000, 1)
    const equal = new Float64Array(100_000).fill(1)
    const [sixteen, thirtyTwo] = [loadsOf(16, places, equal), loadsOf(32, places, equal)]
    t.ok(imbalanceOf(sixteen) < 1.05)
    for (const [shard, load] of sixteen.entries()) t.equal(Number(thirtyTwo[shard * 2]) + Number(thirtyTwo[shard * 2 + 1]), load)
    t.ok(Buffer.from(places).equals(placeOwners(100_000, 1)), 'the same every time')
    t.notOk(Buffer.from(places).equals(placeOwners(100_000, 2)))
  })

  t.test('balance puts the largest shards apart', async (t) => {
    t.same([...balance(2, Float64Array.of(1, 1, 5, 4))], [6, 5])
  })

  t.test('report has a row for every number of shards', async (t) => {
    const text = report(2000, 2)
    for (const shards of [4, 8, 16, 32, 64]) t.match(text, new RegExp(`^\\| ${shards} \\| \\d+\\.\\d\\d `, 'm'))
  })
})
