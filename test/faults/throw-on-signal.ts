/** Loaded into a server before everything else (node --import): a defect that nobody catches, at the moment that a test chooses. */
process.on('SIGUSR1', () => {
  setImmediate(() => Promise.reject(new Error('planted: a promise that nobody awaits')))
})
process.on('SIGUSR2', () => {
  setImmediate(() => {
    throw new Error('planted: thrown outside any request')
  })
})
