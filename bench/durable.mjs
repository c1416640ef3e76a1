// The store in a directory beside redis-server with an append-only file, in one run: rounds in turn, medians. Absolute
// figures depend on the machine, its disk and its hour; a ratio is the median of the rounds' ratios.
// usage: node bench/durable.mjs [--rounds 5] [--quick] [--only queue,commands,boot,idle,disk] [--directory /tmp]
// --directory names a place on the disk to measure. Needs redis-server, `npm ci --prefix tests/interop/node` and
// `cargo build --release -p oxherd-cli -p oxherd-bench`. Prints one JSON object a figure, then a table.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, freePort, jsonLines, median, option, pause, run } from './shared.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const release = join(process.env.CARGO_TARGET_DIR ?? join(here, '../target'), 'release');
const oxherd = join(release, 'oxherd');
const parts = option('only', 'queue,commands,boot,idle,disk').split(',');
const isQuick = process.argv.includes('--quick');
const rounds = Number(option('rounds', isQuick ? 1 : 5));
const size = isQuick
  ? { jobs: { 1: 500, 100: 4_000 }, keys: 100_000, waiting: 50_000 }
  : { jobs: { 1: 3_000, 100: 20_000 }, keys: 1_000_000, waiting: 1_000_000 };
const directory = mkdtempSync(join(option('directory', tmpdir()), 'oxherd-durable-'));
const children = new Set();
let made = 0;
const place = () => join(directory, String(made++));
const remove = (path) => rmSync(path, { recursive: true, force: true });

/** A server that keeps what it is given: the engine as all of `oxherd serve`, or redis-server. */
async function start(name, fsync, at) {
  const port = await freePort();
  const [command, args] = name === 'engine'
    ? [oxherd, ['serve', '--store', `embedded:${at}?fsync=${fsync}`, '--resp', `127.0.0.1:${port}`,
      '--listen', '127.0.0.1:0', '--log', 'error']]
    : ['redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', at,
      '--appendonly', 'yes', '--appendfsync', fsync]];
  if (name === 'redis') run('mkdir', ['-p', at]);
  const began = performance.now();
  const child = spawn(command, args, { stdio: 'ignore', cwd: directory });
  children.add(child);
  await answers(port);
  const startMs = performance.now() - began;
  const proc = (file, field) => Number(readFileSync(`/proc/${child.pid}/${file}`, 'utf8').match(new RegExp(`^${field}:\\s+(\\d+)`, 'm'))[1]);
  const end = (signal) => new Promise((resolve) => {
    child.once('exit', () => { children.delete(child); resolve(); });
    child.kill(signal);
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    startMs,
    resident: () => proc('status', 'VmRSS') * 1024,
    peak: () => proc('status', 'VmHWM') * 1024,
    written: () => proc('io', 'write_bytes'),
    end,
  };
}

const rows = [];
function tell(row) {
  const digits = { 'per s': 0, µs: 1, ms: 2, s: 2, MB: 1, bytes: 0 }[row.unit] ?? 2;
  const rounded = (number, to = digits) => (number === undefined ? undefined : Number(number.toFixed(to)));
  const told = { ...row, engine: rounded(row.engine), redis: rounded(row.redis), bullmq: rounded(row.bullmq), ratio: rounded(row.ratio, 2) };
  rows.push(told);
  console.log(JSON.stringify(told));
}

/** A worker with so many jobs at once: our library in the directory and on Redis, and npm bullmq on Redis. */
async function queue(fsync, concurrency) {
  const jobs = String(size.jobs[concurrency]);
  const own = (store) => run(oxherd, ['bench', 'queue', '--store', store, '--jobs', jobs, '--concurrency', concurrency, '--output', 'json']);
  const contestants = {
    engine: async () => {
      const at = place();
      const lines = own(`embedded:${at}?fsync=${fsync}`);
      remove(at);
      return lines;
    },
    redis: (server) => own(server.url),
    bullmq: (server) => run('node', [join(here, 'peers/bullmq.mjs'), server.url, jobs, concurrency]),
  };
  const seen = {};
  const at = place();
  const server = await start('redis', fsync, at);
  for (let round = 0; round < rounds; round++) {
    const names = Object.keys(contestants);
    for (const name of round % 2 ? names.reverse() : names) {
      for (const line of jsonLines(await contestants[name](server))) {
        ((seen[line.bench] ??= {})[name] ??= []).push(line);
      }
    }
  }
  await server.end();
  remove(at);
  for (const bench of ['add', 'process', 'pickup']) {
    const of = (name, field) => seen[bench][name].map((line) => line[field]);
    const goals = { 'process always 100': 20_000, 'process everysec 100': 40_000 };
    const least = goals[`${bench} ${fsync} ${concurrency}`];
    const engine = median(of('engine', 'per_second'));
    tell({
      figure: `${bench}, ${fsync}, c = ${concurrency}`, unit: 'per s', engine,
      redis: median(of('redis', 'per_second')), bullmq: median(of('bullmq', 'per_second')),
      ratio: median(of('engine', 'per_second').map((value, index) => value / of('bullmq', 'per_second')[index])),
      ...(least && { goal: `≥ ${least}`, met: engine >= least }),
    });
    for (const quantile of ['p50_ms', 'p99_ms']) {
      tell({
        figure: `${bench}, ${fsync}, c = ${concurrency}: ${quantile.slice(0, 3)}`, unit: 'ms',
        engine: median(of('engine', quantile)), redis: median(of('redis', quantile)), bullmq: median(of('bullmq', quantile)),
      });
    }
  }
}

/** Commands in process: what a commit costs beside a bare sync, and what an image costs the commands meanwhile. */
function commands() {
  const seen = new Map();
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const at = place();
    for (const line of jsonLines(run(join(release, 'oxherd-bench'), ['durable', at, String(size.keys)]))) {
      const figure = `${line.bench}, ${line.fsync}: ${line.what}`;
      for (const field of ['per_second', 'seconds', 'p50_us', 'p99_us', 'p999_us']) {
        if (line[field] === undefined) continue;
        const key = JSON.stringify({ figure: field.startsWith('p') && field.endsWith('us') ? `${figure}, ${field.slice(0, -3)}` : figure,
          unit: { per_second: 'per s', seconds: 's' }[field] ?? 'µs' });
        seen.set(key, [...(seen.get(key) ?? []), line[field]]);
      }
    }
    remove(at);
  }
  for (const [key, values] of seen) {
    const { figure, unit } = JSON.parse(key);
    const engine = median(values);
    const isBound = figure.startsWith('image') && figure.endsWith('p999');
    tell({ figure, unit, engine, ...(isBound && { goal: '< 5000', met: engine < 5_000 }) });
  }
}

/** A start with many jobs that wait: after an orderly stop, and after kill -9. */
async function boot() {
  const seen = { engine: {}, redis: {} };
  for (const name of ['engine', 'redis']) {
    const at = place();
    const first = await start(name, 'everysec', at);
    const before = first.written();
    run('node', [join(here, 'peers/fill.mjs'), first.url, String(size.waiting)]);
    await pause(3_000);
    seen[name].written = first.written() - before;
    await first.end('SIGTERM');
    const second = await start(name, 'everysec', at);
    Object.assign(seen[name], { afterStop: second.startMs / 1000, peak: second.peak() / 1e6, resident: second.resident() / 1e6 });
    await second.end('SIGKILL');
    const third = await start(name, 'everysec', at);
    seen[name].afterKill = third.startMs / 1000;
    await third.end('SIGTERM');
    const sizes = (path) => readdirSync(path, { withFileTypes: true }).reduce((sum, entry) => {
      const inside = join(path, entry.name);
      return sum + (entry.isDirectory() ? sizes(inside) : entry.isFile() ? statSync(inside).size : 0);
    }, 0);
    seen[name].files = sizes(at) / 1e6;
    seen[name].amplification = seen[name].written / (sizes(at) || 1);
    seen[name].written /= 1e6;
    remove(at);
  }
  const row = (figure, unit, field, least) => tell({
    figure, unit, engine: seen.engine[field], redis: seen.redis[field], ratio: seen.engine[field] / seen.redis[field],
    ...(least && { goal: `< ${least}`, met: seen.engine[field] < least }),
  });
  row(`start with ${size.waiting} waiting jobs`, 's', 'afterStop', 10);
  row(`start with ${size.waiting} waiting jobs after kill -9`, 's', 'afterKill', 10);
  row('peak memory of that start', 'MB', 'peak', 1000);
  row('resident after it', 'MB', 'resident');
  row('files', 'MB', 'files');
  row(`written to the disk while ${size.waiting} jobs were added, images and rewrites included`, 'MB', 'written');
  row('the same by the files that are left', 'times', 'amplification');
}

async function idle() {
  const seen = {};
  for (const name of ['engine', 'redis']) {
    const at = place();
    const server = await start(name, 'always', at);
    await pause(2_000);
    seen[name] = server.resident() / 1e6;
    await server.end();
    remove(at);
  }
  tell({ figure: 'resident when idle (the engine: all of `oxherd serve`)', unit: 'MB', ...seen, ratio: seen.engine / seen.redis, goal: '< 30', met: seen.engine < 30 });
}

/** What reaches the disk of a job's whole life: added one by one, processed by npm bullmq, removed. */
async function disk() {
  for (const fsync of ['always', 'everysec']) {
    for (const concurrency of ['1', '100']) {
      const jobs = size.jobs[concurrency];
      const seen = {};
      for (const name of ['engine', 'redis']) {
        const at = place();
        const server = await start(name, fsync, at);
        const before = server.written();
        run('node', [join(here, 'peers/bullmq.mjs'), server.url, String(jobs), concurrency]);
        await pause(1_500);
        // The bench adds and processes jobs twice, and a tenth of them or a thousand one at a time.
        seen[name] = (server.written() - before) / jobs;
        await server.end();
        remove(at);
      }
      tell({ figure: `reaches the disk in \`peers/bullmq.mjs\`, ${fsync}, c = ${concurrency}, by its jobs`, unit: 'bytes', ...seen, ratio: seen.engine / seen.redis });
    }
  }
}

try {
  if (parts.includes('queue')) {
    for (const fsync of ['always', 'everysec']) for (const concurrency of ['1', '100']) await queue(fsync, concurrency);
  }
  if (parts.includes('commands')) commands();
  if (parts.includes('boot')) await boot();
  if (parts.includes('idle')) await idle();
  if (parts.includes('disk')) await disk();
  const version = run('redis-server', ['--version']).match(/v=(\S+)/)[1];
  console.log(`\n${cpus().length} x ${cpus()[0].model}; medians of ${rounds} rounds in turn; redis-server ${version} with appendonly and the same appendfsync; Node ${process.version}`);
  console.log('\n| figure | unit | engine | redis-server | npm bullmq on it | ratio | goal | met |\n|---|---|---|---|---|---|---|---|');
  for (const row of rows) {
    const met = row.met === undefined ? '' : row.met ? 'yes' : 'no';
    console.log(`| ${[row.figure, row.unit, row.engine, row.redis ?? '', row.bullmq ?? '', row.ratio ?? '', row.goal ?? '', met].join(' | ')} |`);
  }
} finally {
  for (const child of children) child.kill();
  remove(directory);
}
