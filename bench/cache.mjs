// The cache beside others, in one run: the crates that cache in a process, then npm bentocache and cache-manager on the
// same Redis, rounds in turn, medians. Absolute figures depend on the machine and its hour; the ratios are what to quote.
// usage: node bench/cache.mjs [--rounds 5] [--quick] [--only crates,ratio,redis] [--entries 1000000]
// Needs redis-server, `npm ci --prefix bench/peers` and `cargo build --release -p oxherd-cli -p oxherd-bench-cache`.
// Prints one JSON object a figure, then tables.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, freePort, jsonLines, median, option, run } from './shared.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const release = join(process.env.CARGO_TARGET_DIR ?? join(here, '../target'), 'release');
const parts = option('only', 'crates,ratio,redis').split(',');
const isQuick = process.argv.includes('--quick');
const rounds = Number(option('rounds', isQuick ? 1 : 5));
const calls = isQuick ? 500 : 5_000;
const entries = option('entries', isQuick ? '10000' : '1000000');

const tell = (line) => console.log(JSON.stringify(line));
const rounded = (number, digits = 2) => (number === undefined ? '' : Number(number.toFixed(digits)));
function table(columns, rows) {
  console.log(`\n| ${columns.join(' | ')} |\n|${'---|'.repeat(columns.length)}`);
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
}

/** Hits in one process; the goal is 100 ns, and no slower than who else has a time to live and loads once. */
function crates() {
  const lines = jsonLines(run(join(release, 'oxherd-bench-cache'), ['speed', String(rounds)]));
  lines.forEach(tell);
  const ours = (line) => lines.find((other) => other.peer === 'oxherd'
    && ['bench', 'trace', 'threads'].every((field) => other[field] === line[field]));
  table(['call', 'keys', 'threads', 'peer', 'TTL', 'loads once', 'ns', 'ours / it'], lines.map((line) => [
    line.bench, line.trace, line.threads, line.peer, line.ttl ? 'yes' : '', line.single_flight ? 'yes' : '', line.ns,
    rounded(ours(line).ns / line.ns),
  ]));
}

function ratio() {
  const lines = jsonLines(run(join(release, 'oxherd-bench-cache'), ['ratio']));
  lines.forEach(tell);
  const peers = [...new Set(lines.map((line) => line.peer))];
  const cases = [...new Set(lines.map((line) => `${line.trace}, ${line.capacity} of ${line.keys}`))];
  table(['hit ratio', ...cases], peers.map((peer) => [
    peer, ...cases.map((at) => lines.find((line) => line.peer === peer && `${line.trace}, ${line.capacity} of ${line.keys}` === at)?.ratio),
  ]));
}

/** What distinguishes figures of one bench. */
const fields = ['tier', 'value', 'codec', 'compression', 'threads', 'in_flight', 'tags', 'entries'];
const what = (line) => [line.bench, ...fields.filter((field) => line[field] !== undefined)
  .map((field) => (typeof line[field] === 'string' ? line[field] : `${field} ${line[field]}`))].join(', ');

async function redis() {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'oxherd-bench-'));
  const server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory], { stdio: 'ignore' });
  const url = `redis://127.0.0.1:${port}`;
  const contestants = {
    oxherd: () => run(join(release, 'oxherd'), ['bench', 'cache', '--store', url, '--calls', String(calls), '--entries', entries, '--output', 'json']),
    peers: () => run('node', [join(here, 'peers/caches.mjs'), url, String(calls), entries]),
  };
  const seen = new Map();
  try {
    await answers(port);
    for (let round = 0; round < rounds; round++) {
      for (const name of round % 2 ? ['peers', 'oxherd'] : ['oxherd', 'peers']) {
        for (const line of jsonLines(contestants[name]())) {
          const key = `${line.peer ?? 'oxherd'}: ${what(line)}`;
          seen.set(key, [...(seen.get(key) ?? []), line]);
        }
        run('redis-cli', ['-p', String(port), 'flushall']);
      }
    }
  } finally {
    server.kill();
    rmSync(directory, { recursive: true, force: true });
  }
  const of = (lines, field) => (lines?.[0][field] === undefined ? undefined : median(lines.map((line) => line[field])));
  const figures = [...seen].map(([key, lines]) => ({
    ...lines[0], peer: lines[0].peer ?? 'oxherd', key, ns: of(lines, 'ns'), per_second: of(lines, 'per_second'), ratio: of(lines, 'ratio'), first_ns: of(lines, 'first_ns'),
  }));
  figures.forEach(({ key, ...line }) => tell(line));
  // The same call of ours; the peers run one after the other on one thread.
  const ours = ({ bench, entries: carriers }) => figures.find((line) => line.peer === 'oxherd' && line.bench === bench
    && (line.threads ?? 1) === 1 && (line.in_flight ?? 1) === 1 && line.entries === carriers && line.value !== 'page');
  table(['ours', 'ns', 'per s', '/ bare GET', 'first ns'], figures.filter((line) => line.peer === 'oxherd').map((line) => [
    what(line), rounded(line.ns, 0), line.per_second, rounded(line.ratio), rounded(line.first_ns, 0),
  ]));
  // Each beside a bare GET of its own client: what it adds.
  const bare = (peer) => figures.find((line) => line.peer === peer && line.bench === 'bare_get');
  table(['peer', 'call', 'ns', 'ours ns', 'it / ours', 'it / bare GET'], figures.filter((line) => line.peer !== 'oxherd').map((line) => [
    line.peer, what(line), rounded(line.ns, 0), rounded(ours(line)?.ns, 0), rounded(line.ns / (ours(line)?.ns ?? NaN)),
    line.bench === 'l2_get' ? rounded(line.ns / bare(line.peer).ns) : '',
  ]));
}

console.log(`${cpus().length} x ${cpus()[0].model}; node ${process.version}; ${run('redis-server', ['--version'])}; medians of ${rounds} rounds in turn`);
if (parts.includes('crates')) crates();
if (parts.includes('ratio')) ratio();
if (parts.includes('redis')) await redis();
