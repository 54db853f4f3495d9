import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import type { Position } from '../database/pagination.ts'
import { DEAD_JOBS } from './queues.ts'

/** A job that was given up. Its `id` is that of the row; instants are text. */
export type DeadJobRow = Readonly<{ id: string; job_id: string; name: string; error: string; sent_at: string; given_up_at: string; position: string }>

/** Those that were given up in the last 90 days, the newest first. */
export async function listDeadJobs(db: Database, { after, limit }: Readonly<{ after: Position | undefined; limit: number }>): Promise<DeadJobRow[]> {
  const { rows } = await sql<DeadJobRow>`
    select id, source_id as job_id, source_name as name, created_on as position,
      -- Where a handler failed, and where pg-boss found it out of time.
      coalesce(source_output ->> 'message', source_output -> 'value' ->> 'message', '') as error,
      date_trunc('milliseconds', source_created_on) as sent_at, date_trunc('milliseconds', created_on) as given_up_at
    from pgboss.job
    where name = ${DEAD_JOBS}
      ${after === undefined ? sql`` : sql`and (created_on, id) < (${after.key}::timestamptz, ${after.id}::uuid)`}
    order by created_on desc, id desc limit ${limit}`.execute(db)
  return rows
}

/** What waits and runs in a queue, on all instances together, and what of it was given up and is kept. */
export type QueueState = Readonly<{ name: string; due: number; oldest_seconds: number; running: number; dead: number }>

/** Of every queue of ours, one in which nothing waits as well. */
export async function listQueueStates(db: Database): Promise<QueueState[]> {
  const { rows } = await sql<QueueState>`
    with dead as (
      select source_name as name, count(*)::int as dead from pgboss.job where name = ${DEAD_JOBS} group by source_name
    )
    select queue.name, count(job.id) filter (where job.state < 'active')::int as due, count(job.id) filter (where job.state = 'active')::int as running,
      coalesce(floor(extract(epoch from now() - min(job.start_after) filter (where job.state < 'active'))), 0)::int as oldest_seconds,
      coalesce(dead.dead, 0) as dead
    from pgboss.queue
      left join pgboss.job on job.name = queue.name and job.state <= 'active' and not job.blocked and job.start_after <= now()
      left join dead on dead.name = queue.name
    where queue.name <> ${DEAD_JOBS} and not starts_with(queue.name, '__pgboss')
    group by queue.name, dead.dead`.execute(db)
  return rows
}

/** How many jobs of all instances could be worked now, and for how long the oldest of them could have been. */
export async function countDueJobs(db: Database): Promise<{ due: number; oldestSeconds: number }> {
  const { rows } = await sql<{ due: number; oldest_seconds: number }>`
    select count(*) as due, coalesce(floor(extract(epoch from now() - min(start_after))), 0)::int as oldest_seconds
    from pgboss.job
    where state < 'active' and not blocked and start_after <= now() and name <> ${DEAD_JOBS} and not starts_with(name, '__pgboss')`.execute(db)
  const [row] = rows
  return { due: row?.due ?? 0, oldestSeconds: row?.oldest_seconds ?? 0 }
}
