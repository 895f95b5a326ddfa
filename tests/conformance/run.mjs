// Runs the public suite of tests for HTTP caches (npm `http-cache-tests`, cache-tests.fyi) against `standards` mode.
//
//   node tests/conformance/run.mjs path/to/edgeward
//
// Prints how many tests passed, and fails unless exactly those fail that docs/conformance.md lists, with a reason
// each. Takes half a minute, most of it the suite's own waiting. Needs npm for the suite.

import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = resolve(here, '../..')
const edgeward = resolve(process.argv[2] ?? join(root, 'target/release/edgeward'))
const home = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'conformance')
const suite = join(home, 'node_modules/http-cache-tests')

function install () {
  mkdirSync(home, { recursive: true })
  copyFileSync(join(here, 'package.json'), join(home, 'package.json'))
  if (!existsSync(join(suite, 'cli.mjs'))) {
    // Without a lock file: it would list 460 packages, of which the suite runs three.
    execFileSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: home, stdio: ['ignore', 'ignore', 'inherit'] })
  }
}

const freePort = () => new Promise(resolve => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

async function answers (url) {
  for (let n = 0; n < 200; n++) {
    const ok = await fetch(url).then(() => true, () => false)
    if (ok) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error(`nothing answers at ${url}`)
}

const config = (port, origin, folder) => `
[server]
http = ["127.0.0.1:${port}"]
workers = 1
data_dir = ${JSON.stringify(join(folder, 'data'))}
access_log = false

[origin.suite]
url = "http://127.0.0.1:${origin}"
forward_host = true

[cache_policy.rfc]
mode = "standards"
store_set_cookie = true

[[site]]
name = "conformance"
hosts = ["*"]
origin = "suite"
cache_policy = "rfc"
`

async function results () {
  const folder = mkdtempSync(join(tmpdir(), 'edgeward-conformance-'))
  const [port, origin] = [await freePort(), await freePort()]
  writeFileSync(join(folder, 'edge.toml'), config(port, origin, folder))
  const environment = {
    ...process.env,
    npm_config_protocol: 'http',
    npm_config_port: String(origin),
    npm_config_base: `http://127.0.0.1:${port}`,
    npm_config_id: '',
    npm_package_config_id: '',
    npm_config_pidfile: join(folder, 'pid')
  }
  const quiet = { cwd: suite, env: environment, stdio: 'ignore' }
  const running = [
    spawn(process.execPath, ['server/server.mjs'], quiet),
    spawn(edgeward, ['serve', '-c', join(folder, 'edge.toml')], quiet)
  ]
  try {
    await answers(`http://127.0.0.1:${origin}/`)
    await answers(`http://127.0.0.1:${port}/`)
    const options = { cwd: suite, env: environment, timeout: 300_000, maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] }
    return JSON.parse(execFileSync(process.execPath, ['--no-warnings', 'cli.mjs'], options))
  } finally {
    for (const child of running) child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What came of each test, as the suite's own pages count: only what is required or optimal can be failed. */
async function summary (found) {
  const { default: groups } = await import(pathToFileURL(join(suite, 'tests/index.mjs')))
  const [counts, failed] = [{}, []]
  for (const test of groups.flatMap(group => group.tests).filter(test => !test.browser_only)) {
    const kind = test.kind ?? 'required'
    if (kind === 'check') continue
    const passed = found[test.id] === true
    counts[kind] ??= { passed: 0, of: 0 }
    counts[kind].of += 1
    counts[kind].passed += Number(passed)
    if (!passed) failed.push(`${kind} ${test.id}`)
  }
  return { counts, failed: failed.sort() }
}

/** The rows of docs/conformance.md that name a failing test. */
function listed () {
  const text = readFileSync(join(root, 'docs/conformance.md'), 'utf8')
  return [...text.matchAll(/^\| (required|optimal) \| `([^`]+)` \|/gm)].map(([, kind, id]) => `${kind} ${id}`).sort()
}

install()
const { counts, failed } = await summary(await results())
for (const [kind, { passed, of }] of Object.entries(counts)) console.log(`${kind}: ${passed} of ${of}`)
const expected = listed()
const worse = failed.filter(test => !expected.includes(test))
const better = expected.filter(test => !failed.includes(test))
for (const test of worse) console.log(`fails, and docs/conformance.md does not say so: ${test}`)
for (const test of better) console.log(`passes, and docs/conformance.md says that it fails: ${test}`)
process.exit(worse.length + better.length > 0 ? 1 : 0)
