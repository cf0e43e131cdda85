// analytics.js on a page of another site. jsdom sends preflights and keeps to CORS as browsers do.
const { once } = require('node:events')
const { readFileSync } = require('node:fs')
const { JSDOM } = require('jsdom')

const [url, writeKey] = process.argv.slice(2)
const page = new JSDOM('<!doctype html>', { url: 'https://shop.example.com/products/1', runScripts: 'outside-only' })
page.window.eval(readFileSync(require.resolve('@segment/analytics-next/dist/umd/index.js'), 'utf8'))

const main = async () => {
  const [analytics] = await page.window.AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL: url })
  const track = async (from, to) => {
    for (let number = from; number < to; number++) await analytics.track('Song Played', { number })
  }
  const delivered = async () => {
    while (analytics.queue.queue.length > 0) await new Promise(resolve => setTimeout(resolve, 50))
    await new Promise(resolve => setTimeout(resolve, 1000))
  }
  await analytics.identify('ann', { email: 'ann@example.com', firstName: 'Ann', city: null, plan: '' })
  await analytics.page('Home')
  await analytics.screen('Home')
  await analytics.group('acme', { name: 'Acme' })
  await analytics.alias('ann', 'browser-1')
  await track(0, 25)
  await delivered()
  console.log('sent')
  await once(process.stdin, 'data')
  await track(25, 50)
  await delivered()
  console.log('done')
  process.exit()
}

main()
