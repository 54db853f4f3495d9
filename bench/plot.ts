/** What a request costs, in microseconds of CPU, by the number of tasks that its user has. */
export type Line = Readonly<{ name: string; points: readonly Readonly<{ tasks: number; server: number; postgres: number }>[] }>

const WIDTH = 750
const HEIGHT = 400
const LEFT = 64
const RIGHT = 230
const TOP = 40
const BOTTOM = 48
/** Told apart also by those who do not see colours alike (Okabe and Ito, 2008). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7']

/** An SVG: solid lines are server and PostgreSQL together, dashed ones PostgreSQL alone. Tasks on a logarithmic axis. */
export function plotOf(title: string, lines: readonly Line[]): string {
  const all = lines.flatMap(({ points }) => points)
  const [least, most] = [Math.min(...all.map(({ tasks }) => tasks)), Math.max(...all.map(({ tasks }) => tasks))]
  const step = stepOf(Math.max(...all.map(({ server, postgres }) => server + postgres)))
  const top = 5 * step
  const x = (tasks: number) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(tasks / least)) / Math.log(most / least)
  const y = (cost: number) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * cost) / top
  const path = (points: readonly (readonly [number, number])[]) => points.map(([left, down]) => `${left.toFixed(1)},${down.toFixed(1)}`).join(' ')

  const grid = Array.from({ length: 6 }, (_, index) => index * step).flatMap((cost) => [
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(cost)}" y2="${y(cost)}" stroke="#ddd"/>`,
    `<text x="${LEFT - 8}" y="${y(cost) + 4}" text-anchor="end">${cost}</text>`,
  ])
  const sizes = [...new Set(all.map(({ tasks }) => tasks))].map(
    (tasks) => `<text x="${x(tasks)}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${tasks.toLocaleString('en')}</text>`,
  )
  const drawn = lines.flatMap(({ name, points }, index) => {
    const colour = COLOURS[index % COLOURS.length]
    const whole = points.map(({ tasks, server, postgres }) => [x(tasks), y(server + postgres)] as const)
    const part = points.map(({ tasks, postgres }) => [x(tasks), y(postgres)] as const)
    return [
      `<polyline points="${path(whole)}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<polyline points="${path(part)}" fill="none" stroke="${colour}" stroke-dasharray="4 4"/>`,
      `<rect x="${WIDTH - RIGHT + 16}" y="${TOP + index * 22}" width="12" height="12" fill="${colour}"/>`,
      `<text x="${WIDTH - RIGHT + 34}" y="${TOP + 10 + index * 22}">${name}</text>`,
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="22" font-size="14">${title}</text>`,
    ...grid,
    ...sizes,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">tasks of the user</text>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n')
}

/** A fifth of the axis, as a round number: 1, 2 or 5 times a power of ten. */
function stepOf(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5))
  return power * ([1, 2, 5, 10].find((factor) => factor * power * 5 >= most) ?? 10)
}
