import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parser } from '@prometheus-io/lezer-promql'
import { load } from 'js-yaml'

/** A selector of a query, such as `up{job="docket"}`. */
export type Selector = Readonly<{ metric: string; labels: readonly string[] }>

const read = (name: string) => readFileSync(path.resolve(import.meta.dirname, '../../docs', name), 'utf8')

/** Every query of the dashboard and of the alerts, by the title of what shows it. */
export function queries(): [title: string, query: string][] {
  const { panels, templating, annotations } = JSON.parse(read('grafana-dashboard.json'))
  const { groups } = load(read('prometheus-alerts.yml')) as { groups: { rules: { alert: string; expr: string }[] }[] }
  return [
    ...panels.flatMap(({ title, targets = [] }: { title: string; targets?: { expr: string }[] }) => targets.map(({ expr }) => [title, expr])),
    ...annotations.list.map(({ name, expr }: { name: string; expr: string }) => [name, expr]),
    ...templating.list.flatMap(({ name, query }: { name: string; query: { query?: string } }) => {
      const [, metric] = /^label_values\((\w+),/.exec(query.query ?? '') ?? []
      return metric === undefined ? [] : [[name, metric]]
    }),
    ...groups.flatMap(({ rules }) => rules.map(({ alert, expr }): [string, string] => [alert, expr])),
  ]
}

/** What a query selects, by its grammar; throws where it is none. */
export function selectorsOf(query: string): Selector[] {
  const text = query.replaceAll('$__rate_interval', '5m')
  const found: { metric: string; labels: string[] }[] = []
  parser.parse(text).iterate({
    enter({ type, name, from, to }) {
      if (type.isError) throw new Error(`This is no PromQL at ${from}: ${text}`)
      if (name === 'VectorSelector') found.push({ metric: /^\w+/.exec(text.slice(from, to))?.[0] ?? '', labels: [] })
      if (name === 'LabelName') found.at(-1)?.labels.push(text.slice(from, to))
    },
  })
  return found
}
