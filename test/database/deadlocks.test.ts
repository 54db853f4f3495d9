import pg from 'pg'
import t from 'tap'
import { until } from '../faults/cluster.ts'
import { createServerDatabase, EMBEDDED, startApp } from '../support/app.ts'

t.test(
  'updateTask: 200 when PostgreSQL ends it for a deadlock, since it is tried again',
  { skip: EMBEDDED && 'one statement runs after the other' },
  async (t) => {
    const database = await createServerDatabase(t)
    // On a pipeline it would be tried again before it came to that (pipelines.test.ts).
    const { as, register } = await startApp(t, { DATABASE_PIPELINES: '0' }, database)
    const ada = await register()
    const { body: task } = await as(ada)('createTask', { body: { title: 'Milk' }, expect: 201 })
    const params = { taskId: task.id }
    const other = new pg.Client({ connectionString: database })
    await other.connect()
    t.teardown(() => other.end())
    // The one whose time is up first finds the deadlock, and is ended: not this.
    await other.query(`set deadlock_timeout = '60s'`)
    const waiting = async () => {
      const { rows } = await other.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
      return rows.length > 0
    }

    // The other has the list and wants the task, the request has the task and wants the list. The other waits as long as it takes, and ends only
    // then: so an answer 200 comes from a second attempt. A very slow machine may find a long wait instead, and answers 503: then once more.
    let status = 503
    for (let round = 1; status === 503 && round <= 5; round += 1) {
      await other.query('begin')
      await other.query('select from lists where id = $1 for update', [task.listId])
      const request = as(ada)('updateTask', { params, body: { completed: true } })
      await until('the request waits for the list', waiting)
      await other.query(`update tasks set title = 'Bread' where id = $1`, [task.id])
      await other.query('commit')
      status = (await request).status
    }
    t.equal(status, 200)
    t.match((await as(ada)('getTask', { params, expect: 200 })).body, { title: 'Bread', completed: true })
    t.equal((await as(ada)('getList', { params: { listId: task.listId }, expect: 200 })).body.completedTasks, 1)
  },
)
