// The engine in this process beside redis-server, in one run: rounds in turn, medians. Absolute figures depend on the
// machine and its hour; a ratio is the median of the rounds' ratios, and it is what to quote.
// usage: node bench/engine.mjs [--rounds 5] [--quick] [--only in-process,resp,queue,bullmq,memory]
// Needs redis-server and redis-benchmark, `npm ci --prefix tests/interop/node` and
// `cargo build --release -p oxherd-cli -p oxherd-bench`. Prints one JSON object a figure, then a table.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, freePort, jsonLines, median, option, pause, run } from './shared.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const release = join(process.env.CARGO_TARGET_DIR ?? join(here, '../target'), 'release');
const oxherd = join(release, 'oxherd');
const parts = option('only', 'in-process,resp,queue,bullmq,memory').split(',');
const isQuick = process.argv.includes('--quick');
const rounds = Number(option('rounds', isQuick ? 1 : 5));
const size = isQuick
  ? { operations: 300_000, requests: { 1: 50_000, 16: 300_000 }, jobs: 4_000, waiting: 50_000 }
  : { operations: 2_000_000, requests: { 1: 200_000, 16: 1_000_000 }, jobs: 20_000, waiting: 1_000_000 };

const directory = mkdtempSync(join(tmpdir(), 'oxherd-bench-'));
const children = new Set();
async function start(name) {
  const port = await freePort();
  const [command, args] = name === 'engine'
    ? [oxherd, ['serve', '--store', 'memory:', '--resp', `127.0.0.1:${port}`, '--listen', '127.0.0.1:0', '--log', 'error']]
    : ['redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory]];
  const child = spawn(command, args, { stdio: 'ignore', cwd: directory });
  children.add(child);
  await answers(port);
  const info = (section, field) => Number(
    run('redis-cli', ['-p', String(port), 'info', section]).match(new RegExp(`^${field}:(\\d+)`, 'm'))[1]);
  const rss = () => Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB/m)[1]) * 1024;
  const stop = () => new Promise((resolve) => {
    child.once('exit', () => { children.delete(child); resolve(); });
    child.kill();
  });
  return { port, url: `redis://127.0.0.1:${port}`, used: () => info('memory', 'used_memory'), rss, stop };
}

const rows = [];
function tell(row) {
  const rounded = (number, digits) => (number === undefined ? undefined : Number(number.toFixed(digits)));
  const digits = row.unit === 'per s' || row.unit === 'ns' || row.unit === 'bytes' ? 0 : 2;
  const told = { ...row, engine: rounded(row.engine, digits), redis: rounded(row.redis, digits), ratio: rounded(row.ratio, 2) };
  rows.push(told);
  console.log(JSON.stringify(told));
}
/** Figures of both in turn: `measure(name)` gives a Map from figure to number. */
async function inTurn(measure) {
  const seen = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 ? ['redis', 'engine'] : ['engine', 'redis']) {
      for (const [figure, value] of await measure(name)) {
        const of = seen.get(figure) ?? { engine: [], redis: [] };
        of[name].push(value);
        seen.set(figure, of);
      }
    }
  }
  return [...seen].map(([figure, { engine, redis }]) => ({
    figure, engine: median(engine), redis: median(redis), ratio: median(engine.map((value, index) => value / redis[index])),
  }));
}

async function inProcess() {
  const seen = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const line of jsonLines(run(join(release, 'oxherd-bench'), ['memory', String(size.operations)]))) {
      const figure = `${line.bench.toUpperCase()} in process, ${line.keys} keys, ${line.tasks} task${line.tasks > 1 ? 's' : ''}`;
      const times = { [`${figure}: wall clock`]: line.ns_per_operation, [`${figure}: processor time`]: line.cpu_ns_per_operation };
      for (const [name, time] of Object.entries(times)) seen.set(name, [...(seen.get(name) ?? []), time]);
    }
  }
  for (const [figure, values] of seen) {
    const most = figure.startsWith('GET') ? 500 : 1000;
    const engine = median(values);
    tell({ figure, unit: 'ns', engine, goal: `< ${most}`, met: engine < most });
  }
}

async function overResp(servers) {
  for (const pipeline of [1, 16]) {
    const figures = await inTurn(async (name) => {
      const csv = run('redis-benchmark', ['-p', String(servers[name].port), '-t', 'set,get', '-P', String(pipeline),
        '-n', String(size.requests[pipeline]), '-r', '100000', '-d', '32', '--csv']);
      return csv.split('\n').slice(1).map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')))
        .map(([test, perSecond]) => [`${test} over RESP, 50 clients, pipeline ${pipeline}`, Number(perSecond)]);
    });
    for (const row of figures) tell({ ...row, unit: 'per s', goal: 'ratio ≥ 0.7', met: row.ratio >= 0.7 });
  }
}

async function ownQueue(servers) {
  for (const concurrency of ['1', '100']) {
    const figures = await inTurn(async (name) => {
      const store = name === 'engine' ? 'memory:' : servers.redis.url;
      const lines = jsonLines(run(oxherd, ['bench', 'queue', '--store', store, '--jobs', String(size.jobs),
        '--concurrency', concurrency, '--server-stats', '--output', 'json']));
      return lines.flatMap((line) => [
        [`${line.bench} per s, own library in process, c = ${concurrency}`, line.per_second],
        [`${line.bench} script µs a job, own library in process, c = ${concurrency}`, line.server_us_per_job],
      ]);
    });
    for (const { figure, ...row } of figures) {
      const isTime = figure.includes('script µs');
      const goal = figure.startsWith('process') ? { goal: isTime ? 'ratio < 1' : 'ratio > 1', met: isTime ? row.ratio < 1 : row.ratio > 1 } : {};
      tell({ figure: figure.replace(' per s', ''), unit: isTime ? 'µs' : 'per s', ...row, ...goal });
    }
  }
}

async function npmBullmq(servers) {
  for (const concurrency of ['1', '100']) {
    const figures = await inTurn(async (name) => {
      const lines = jsonLines(run('node', [join(here, 'peers/bullmq.mjs'), servers[name].url, String(size.jobs), concurrency]));
      return lines.map((line) => [`${line.bench}, npm bullmq, c = ${concurrency}`, line.per_second]);
    });
    for (const row of figures) tell({ ...row, unit: 'per s', goal: 'ratio ≥ 0.9', met: row.ratio >= 0.9 });
  }
}

async function memory() {
  const seen = {};
  for (const name of ['engine', 'redis']) {
    const server = await start(name);
    await pause(500);
    const before = { used: server.used(), rss: server.rss() };
    run('node', [join(here, 'peers/fill.mjs'), server.url, String(size.waiting)]);
    await pause(500);
    seen[name] = {
      idle: before.rss / 1e6,
      used: (server.used() - before.used) / size.waiting,
      rss: (server.rss() - before.rss) / size.waiting,
    };
    await server.stop();
  }
  const row = (figure, unit, field, goal) => ({
    figure, unit, engine: seen.engine[field], redis: seen.redis[field], ratio: seen.engine[field] / seen.redis[field], ...goal,
  });
  for (const [field, label] of [['used', 'used_memory'], ['rss', 'resident']]) {
    const goal = { goal: '≤ 1000', met: seen.engine[field] <= 1000 };
    tell(row(`${label} a waiting job, ${size.waiting} jobs`, 'bytes', field, goal));
  }
  tell(row('resident when idle (the engine: all of `oxherd serve`)', 'MB', 'idle', {}));
}

try {
  if (parts.includes('in-process')) await inProcess();
  const servers = { engine: await start('engine'), redis: await start('redis') };
  if (parts.includes('resp')) await overResp(servers);
  if (parts.includes('queue')) await ownQueue(servers);
  if (parts.includes('bullmq')) await npmBullmq(servers);
  if (parts.includes('memory')) await memory();
  const version = run('redis-server', ['--version']).match(/v=(\S+)/)[1];
  console.log(`\n${cpus().length} x ${cpus()[0].model}; medians of ${rounds} rounds in turn; redis-server ${version} without persistence; Node ${process.version}`);
  console.log('\n| figure | unit | engine | redis-server | ratio | goal | met |\n|---|---|---|---|---|---|---|');
  for (const row of rows) {
    const met = row.met === undefined ? '' : row.met ? 'yes' : 'no';
    console.log(`| ${[row.figure, row.unit, row.engine, row.redis ?? '', row.ratio ?? '', row.goal ?? '', met].join(' | ')} |`);
  }
} finally {
  for (const child of children) child.kill();
  rmSync(directory, { recursive: true, force: true });
}
