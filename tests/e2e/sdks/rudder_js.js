// RudderStack's browser SDK on a page of another site, its configuration fetched from the same server.
const { once } = require('node:events')
const { readFileSync } = require('node:fs')
const { JSDOM, VirtualConsole } = require('jsdom')

const [url, writeKey] = process.argv.slice(2)
const page = new JSDOM('<!doctype html><body></body>', {
  url: 'https://shop.example.com/products/1', runScripts: 'outside-only', virtualConsole: new VirtualConsole()
})
// A page on https has Web Crypto; jsdom has none.
Object.defineProperty(page.window, 'crypto', { value: globalThis.crypto })
const bundle = require.resolve('@rudderstack/analytics-js/bundled').replace(/(cjs|esm)[\\/]index\.[cm]?js$/, 'umd/index.js')
page.window.eval(readFileSync(bundle, 'utf8'))

const main = async () => {
  const analytics = new page.window.rudderanalytics.RudderAnalytics()
  const delivered = () => new Promise(resolve => setTimeout(resolve, 4000))
  const track = (from, to) => {
    for (let number = from; number < to; number++) analytics.track('Song Played', { number })
  }
  // jsdom lacks what the SDK would load a polyfill for; browsers have it.
  analytics.load(writeKey, url, { configUrl: url, polyfillIfRequired: false, storage: { type: 'localStorage' } })
  await new Promise(resolve => analytics.ready(resolve))
  analytics.identify('ann', { email: 'ann@example.com', firstName: 'Ann', city: null, plan: '' })
  analytics.page('Home')
  analytics.page('Offers')
  analytics.group('acme', { name: 'Acme' })
  analytics.alias('ann', 'browser-1')
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
