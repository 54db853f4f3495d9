export type { Account } from './account.js'
export type { Admin, AuditQuery, DeadJobQuery, UserQuery } from './admin.js'
export type { ApiTokens } from './api-tokens.js'
export type { Auth } from './auth.js'
export type { Answer, Call, CallOptions, ChangeOptions, CreateOptions, ReadOptions, Versioned } from './call.js'
export type { ChangeStream } from './change-stream.js'
export type { Changes, ChangesQuery, StreamOptions } from './changes.js'
export { createDocket, type Docket, type DocketOptions } from './docket.js'
export { DocketConnectionError, DocketError } from './errors.js'
export type {
  AdminUser,
  AdminUserPatch,
  ApiToken,
  ApiTokenScope,
  AuditEvent,
  AuthResult,
  Category,
  Change,
  ChangePage,
  CreatedApiToken,
  CreatedWebhook,
  Credentials,
  CurrentPassword,
  DeadJob,
  EmailChange,
  EmailVerification,
  InvalidField,
  ListChange,
  ListPatch,
  Liveness,
  NewApiToken,
  NewList,
  NewListTask,
  NewReminder,
  NewTask,
  NewWebhook,
  PasswordChange,
  PasswordReset,
  PasswordResetRequest,
  Priority,
  ProblemCode,
  Readiness,
  RefreshRequest,
  Registration,
  Reminder,
  ReminderChange,
  Role,
  Session,
  Task,
  TaskChange,
  TaskList,
  TaskPatch,
  TaskSort,
  TokenRequest,
  TokenResult,
  User,
  UserPatch,
  Webhook,
  WebhookChangeEvent,
  WebhookDelivery,
  WebhookDeliveryStatus,
  WebhookEvent,
  WebhookEventType,
  WebhookPatch,
  WebhookSecret,
  WebhookTestEvent,
} from './generated/types.gen.js'
export type { Health } from './health.js'
export type { Lists, PageQuery } from './lists.js'
export type { Page, Pages } from './pages.js'
export type { Reminders } from './reminders.js'
export type { Tokens } from './session.js'
export type { Sessions } from './sessions.js'
export type { TaskQuery, Tasks } from './tasks.js'
export type { Users } from './users.js'
export { verifyWebhook, WebhookVerificationError } from './verify-webhook.js'
export type { DeliveryQuery, Webhooks } from './webhooks.js'
