/**
 * Makes an empty migration with the time of now in its name.
 * Usage: npm run new-migration -- create-reminders
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'

const [name = ''] = process.argv.slice(2)
if (!/^[a-z]+(-[a-z]+)*$/.test(name)) {
  process.stderr.write('Usage: npm run new-migration -- <verb-what>, such as create-reminders\n')
  process.exit(1)
}
const time = new Date().toISOString().slice(0, 16).replaceAll(/[-:]/g, '')
const file = path.resolve(import.meta.dirname, '../../migrations', `${time}-${name}.ts`)
writeFileSync(
  file,
  `import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql\`\`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql\`\`.execute(db)
}
`,
  { flag: 'wx' },
)
process.stdout.write(`${path.relative(process.cwd(), file)}\n`)
