import { setImmediate } from 'node:timers/promises'
import type { Test } from 'tap'
import { createDatabase, startApp, type TestApp } from './app.ts'

/** Two servers over one database, which both trust what they remember. An embedded database has only one server: there it is both. */
export async function startInstances(t: Test, overrides: Record<string, string> = {}): Promise<readonly [TestApp, TestApp]> {
  const database = await createDatabase(t)
  const a = await startApp(t, overrides, database)
  const b = database === undefined ? a : await startApp(t, overrides, database)
  for (const { context } of [a, b]) while (!context.notifications.isCurrent()) await setImmediate()
  return [a, b]
}

/** An access token says which session it stands for. */
export const sessionIdOf = ({ accessToken }: Readonly<{ accessToken: string }>): string =>
  JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()).sid
