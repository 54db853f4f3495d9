/** A line of a scrape. */
export type Sample = Readonly<{ name: string; labels: Readonly<Record<string, string>>; value: number }>

/** Reads the text format of Prometheus; throws at a line that is none of it. */
export function samplesOf(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value] = /^([a-z_]\w*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      if (name === undefined) throw new Error(`This is no sample: ${line}`)
      return {
        name,
        labels: Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text])),
        value: Number(value),
      }
    })
}

/** Samples of a metric that have these labels, among others. */
export const having = (samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}) =>
  samples.filter((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))

/** The value of the only one. */
export function valueIn(samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const found = having(samples, name, labels)
  if (found.length > 1) throw new Error(`There are ${found.length} of ${name}.`)
  return found[0]?.value
}
