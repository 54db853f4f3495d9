import type { components } from '../../generated/api.ts'
import type { ListRow } from './queries.ts'

export function presentList(list: ListRow): components['schemas']['TaskList'] {
  return {
    id: list.id,
    title: list.title,
    description: list.description,
    inbox: list.inbox,
    openTasks: list.open_tasks,
    completedTasks: list.completed_tasks,
    createdAt: list.created_at,
    updatedAt: list.updated_at,
  }
}
