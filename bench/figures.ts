import type { Server } from './processes.ts'

/** One workload on one server in one round. CPU and latencies are in microseconds, CPU for each request. */
export type Measurement = Readonly<{ perSecond: number; server: number; postgres: number; p50: number; p99: number }>

/** By workload, a measurement for each round. */
export type Rounds = Map<string, Measurement[]>

export type Process = Readonly<{ startMilliseconds: number; idleMegabytes: number; peakMegabytes: number }>

export type Figures = Readonly<Record<Server['name'], { rounds: Rounds; processes: Process[] }>>

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

const whole = (value: number) => String(Math.round(value))
const exact = (value: number) => value.toFixed(2)

/** The median, and in parentheses the least and the greatest. */
function spread(values: readonly number[], form = whole): string {
  return `${form(medianOf(values))} (${form(Math.min(...values))}–${form(Math.max(...values))})`
}

/** A Markdown table of all workloads: Docket, the limit, and the ratio of each round's CPU to that of the limit in the same round. */
export function tableOf({ docket, limit }: Figures): string {
  const lines = [...docket.rounds].map(([name, ours]) => {
    const theirs = limit.rounds.get(name) ?? []
    const ratio = (part: 'server' | 'postgres') =>
      spread(
        ours.map((round, index) => round[part] / (theirs[index]?.[part] ?? Number.NaN)),
        exact,
      )
    const both = (part: keyof Measurement) =>
      `${whole(medianOf(ours.map((round) => round[part])))} / ${whole(medianOf(theirs.map((round) => round[part])))}`
    return `| ${[name, both('perSecond'), both('server'), `**${ratio('server')}**`, both('postgres'), `**${ratio('postgres')}**`, both('p50'), both('p99')].join(' | ')} |`
  })
  return [
    '| workload | requests/s | server µs | ratio | PostgreSQL µs | ratio | p50 µs | p99 µs |',
    '|---|---|---|---|---|---|---|---|',
    ...lines,
    '',
    'Docket / the limit; medians of the rounds, ratios with the least and the greatest of a round.',
    '',
    ...processLines('Docket', docket.processes),
    ...processLines('The limit', limit.processes),
  ].join('\n')
}

function processLines(name: string, processes: readonly Process[]): string[] {
  const figure = (part: keyof Process) => spread(processes.map((process) => process[part]))
  return [
    `${name}: ${figure('startMilliseconds')} ms from start to the first 200; memory ${figure('idleMegabytes')} MB idle, ${figure('peakMegabytes')} MB at most under load.`,
  ]
}
