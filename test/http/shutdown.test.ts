import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { drain, watchSilentConnections } from '../../src/http/shutdown.ts'
import { startApp } from '../support/app.ts'

t.test('a connection on which nothing ever came does not hold up the end of the server', async (t) => {
  const { app, url } = await startApp(t)
  const closeSilentConnections = watchSilentConnections(app.server)
  const silent = connect(Number(new URL(url).port), '127.0.0.1')
  const closed = once(silent, 'close')
  await once(app.server, 'connection')
  // What would end it after nine seconds.
  const { closeAllConnections } = app.server
  app.server.closeAllConnections = () => {
    t.fail('only the hard stop ended it')
    closeAllConnections.call(app.server)
  }
  await drain(app, 0, closeSilentConnections)
  await closed
  app.server.closeAllConnections = closeAllConnections
})
