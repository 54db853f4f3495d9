import { ConfigError } from './config.ts'
import { DirectoryInUseError } from './database/embedded.ts'
import { Problem } from './problem.ts'

/** Runs a command: what people can mend themselves is said in a sentence, anything else with its stack, and the exit code is 1. */
export async function explainFailure(command: () => Promise<void>): Promise<void> {
  try {
    await command()
  } catch (error) {
    process.stderr.write(`${sentenceFor(error) ?? causesOf(error).join('\n')}\n`)
    process.exit(1)
  }
}

function sentenceFor(error: unknown): string | undefined {
  if (error instanceof ConfigError || error instanceof DirectoryInUseError) return error.message
  if (error instanceof Problem) return [error.message, ...(error.errors ?? []).map(({ path, message }) => `  ${path.slice(1)} ${message}`)].join('\n')
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return `${error.message}. Stop the other process, or set PORT to another port.`
  }
  return undefined
}

/** The stack, and below it what caused it. */
function causesOf(error: unknown): string[] {
  if (error instanceof AggregateError) return [String(error.stack), ...error.errors.flatMap(causesOf)]
  if (!(error instanceof Error)) return [String(error)]
  return [String(error.stack), ...(error.cause === undefined ? [] : causesOf(error.cause).map((cause) => `Caused by: ${cause}`))]
}
