import { Counter, Gauge, type LabelValues, type Registry } from '@prometheus-io/client'

export type Sample = readonly [labels: LabelValues<string>, value: number]

type Collected = Readonly<{
  name: string
  help: string
  labelNames?: readonly string[]
  /** Asked at each scrape, and only then. */
  read(): Iterable<Sample> | Promise<Iterable<Sample>>
}>

/** What goes up and down, such as the length of a queue that a feature keeps anyway. */
export function collectGauge(registry: Registry, { name, help, labelNames = [], read }: Collected): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    async collect() {
      const samples = await read()
      this.reset()
      for (const [labels, value] of samples) this.set(labels, value)
    },
  })
}

/** What only goes up: `read` says how far it has come since the start. */
export function collectCounter(registry: Registry, { name, help, labelNames = [], read }: Collected): void {
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    async collect() {
      const samples = await read()
      this.reset()
      for (const [labels, value] of samples) this.inc(labels, value)
    },
  })
}
