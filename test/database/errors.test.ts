import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import t from 'tap'
import { databaseFault } from '../../src/database/errors.ts'

t.test('a socket that is not there is a database that is away; another file is not', async (t) => {
  const missing = '/nowhere/socket'
  const socket = await new Promise((resolve) => connect(missing).once('error', resolve))
  t.match(socket, { code: 'ENOENT' })
  t.same(databaseFault(socket), { kind: 'unavailable' })
  const file = await readFile(missing).catch((error) => error)
  t.match(file, { code: 'ENOENT' })
  t.equal(databaseFault(file), undefined)
})
