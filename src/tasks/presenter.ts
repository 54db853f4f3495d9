import type { components } from '../../generated/api.ts'
import type { CategoryRow, TaskRow } from './queries.ts'

export function presentTask(task: TaskRow): components['schemas']['Task'] {
  return {
    id: task.id,
    listId: task.list_id,
    title: task.title,
    description: task.description,
    completed: task.completed_at !== null,
    completedAt: task.completed_at,
    priority: task.priority,
    categories: task.categories,
    dueDate: task.due_on ?? task.due_at,
    dueAt: task.due_at,
    timeZone: task.time_zone,
    createdAt: task.created_at,
    updatedAt: task.updated_at,
  }
}

export function presentCategory({ name, open_tasks, completed_tasks }: CategoryRow): components['schemas']['Category'] {
  return { name, openTasks: open_tasks, completedTasks: completed_tasks }
}
