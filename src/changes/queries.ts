import type { Selectable } from 'kysely'
import type { Changes } from '../../generated/database.ts'

const CHANGE_COLUMNS = ['sequence', 'type', 'resource_id', 'version', 'state', 'actor_id', 'occurred_at'] as const

export type ChangeRow = Pick<Selectable<Changes>, (typeof CHANGE_COLUMNS)[number]>
