const { once } = require('node:events')
const RudderAnalytics = require('@rudderstack/rudder-sdk-node')

const [url, writeKey] = process.argv.slice(2)
const client = new RudderAnalytics(writeKey, { dataPlaneUrl: url, flushAt: 10, flushInterval: 100, retryCount: 10 })

// Its `flush` sends a single batch, so that only the callbacks tell when all is delivered.
let underway = []
const send = (call, message) => {
  underway.push(new Promise((resolve, reject) => client[call](message, error => (error ? reject(error) : resolve()))))
}
const delivered = async () => {
  await Promise.all(underway)
  underway = []
}
const track = (from, to) => {
  for (let number = from; number < to; number++) {
    send('track', { userId: 'ann', event: 'Song Played', properties: { number } })
  }
}

const main = async () => {
  send('identify', { userId: 'ann', traits: { email: 'ann@example.com', firstName: 'Ann', city: null, plan: '' } })
  send('page', { userId: 'ann', name: 'Home' })
  send('screen', { userId: 'ann', name: 'Home' })
  send('group', { userId: 'ann', groupId: 'acme', traits: { name: 'Acme' } })
  send('alias', { previousId: 'browser-1', userId: 'ann' })
  track(0, 25)
  await delivered()
  console.log('sent')
  await once(process.stdin, 'data')
  track(25, 50)
  await delivered()
  console.log('done')
  process.exit()
}

main()
