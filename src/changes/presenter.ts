import type { components } from '../../generated/api.ts'
import { instantOf } from '../instant.ts'
import { presentList } from '../lists/presenter.ts'
import type { ListRow } from '../lists/queries.ts'
import { presentTask } from '../tasks/presenter.ts'
import type { TaskRow } from '../tasks/queries.ts'
import type { ChangeRow } from './queries.ts'

type Schemas = components['schemas']

export function presentChange({ type, resource_id, version, state, actor_id, occurred_at }: ChangeRow): Schemas['Change'] {
  const change = { id: resource_id, version, actorId: actor_id, occurredAt: occurred_at }
  switch (type) {
    case 'list.created':
    case 'list.updated':
    case 'list.deleted':
      return { type, resource: 'list', ...change, state: state === null ? null : presentList(rowOf<ListRow>(state)) }
    case 'task.created':
    case 'task.updated':
    case 'task.deleted':
      return { type, resource: 'task', ...change, state: state === null ? null : presentTask(rowOf<TaskRow>(state)) }
    default:
      throw new Error(`The change ${type} is unknown.`)
  }
}

/** A row as PostgreSQL wrote it into JSON, where instants look different from those in columns. */
function rowOf<Row>(state: unknown): Row {
  const entries = Object.entries(state as Record<string, unknown>)
  return Object.fromEntries(entries.map(([name, value]) => [name, name.endsWith('_at') && value !== null ? instantOf(String(value)) : value])) as Row
}
