import path from 'node:path'
import type { UserConfig } from '@hey-api/openapi-ts'

const config: UserConfig = {
  input: path.join(import.meta.dirname, '../openapi.yaml'),
  output: {
    path: path.join(import.meta.dirname, 'src/generated'),
    entryFile: false,
    module: { extension: '.js' },
    // The fetch client, which the generator copies (it alone comes without a `file`), does not compile with exactOptionalPropertyTypes; all else does.
    header: ({ file, defaultValue }) => (file === undefined ? [...defaultValue, '// @ts-nocheck'] : [...defaultValue]),
    // Otherwise it looks for one upwards, and what it finds there changes what it writes.
    tsConfigPath: null,
  },
  logs: { level: 'silent', file: false },
  plugins: [
    '@hey-api/typescript',
    '@hey-api/client-fetch',
    // Without a client of its own: each createDocket() has one, and importing the package starts nothing.
    { name: '@hey-api/sdk', client: false },
  ],
}

// biome-ignore lint/style/noDefaultExport: openapi-ts looks for it there
export default config
