const { once } = require('node:events')
const { Analytics } = require('@segment/analytics-node')

const [url, writeKey] = process.argv.slice(2)
const client = new Analytics({ writeKey, host: url, maxEventsInBatch: 10, flushInterval: 100, maxRetries: 10 })

const track = (from, to) => {
  for (let number = from; number < to; number++) {
    client.track({ userId: 'ann', event: 'Song Played', properties: { number } })
  }
}

const main = async () => {
  client.identify({ userId: 'ann', traits: { email: 'ann@example.com', firstName: 'Ann', city: null, plan: '' } })
  client.page({ userId: 'ann', name: 'Home' })
  client.screen({ userId: 'ann', name: 'Home' })
  client.group({ userId: 'ann', groupId: 'acme', traits: { name: 'Acme' } })
  client.alias({ previousId: 'browser-1', userId: 'ann' })
  track(0, 25)
  await client.flush()
  console.log('sent')
  await once(process.stdin, 'data')
  track(25, 50)
  await client.closeAndFlush()
  console.log('done')
  process.exit()
}

main()
