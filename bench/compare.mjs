// Oxherd beside npm bullmq on one Redis in one run: rounds in turn, medians, and the ratio. Absolute figures depend on
// the machine and its hour; the ratio is what to quote.
// usage: node bench/compare.mjs [--jobs 20000] [--rounds 5] [--concurrency 1,100,200]
// Needs redis-server, `cargo build --release`, and `npm ci --prefix tests/interop/node`.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const jobs = option('jobs', '20000');
const rounds = Number(option('rounds', '5'));
const concurrencies = option('concurrency', '1,100,200').split(',');

const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
const directory = mkdtempSync(join(tmpdir(), 'oxherd-bench-'));
const redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory], { stdio: 'ignore' });
const url = `redis://127.0.0.1:${port}`;

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 24 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr || result.error}`);
  return result.stdout.trim().split('\n').map((line) => JSON.parse(line));
}
const contestants = {
  oxherd: (c) => run(join(here, '../target/release/oxherd'), ['bench', 'queue', '--store', url, '--jobs', jobs, '--concurrency', c, '--output', 'json', '--server-stats']),
  bullmq: (c) => run('node', [join(here, 'peers/bullmq.mjs'), url, jobs, c]),
};
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

try {
  for (let tries = 0; spawnSync('redis-cli', ['-p', String(port), 'ping'], { encoding: 'utf8' }).stdout?.trim() !== 'PONG'; tries++) {
    if (tries > 100) throw new Error('redis-server did not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  console.log(`${cpus().length} x ${cpus()[0].model}; ${jobs} jobs; median of ${rounds} rounds in turn; Redis without persistence`);
  console.log('| bench | concurrency | oxherd per s | bullmq per s | ratio | oxherd p50 / p99 ms | bullmq p50 / p99 ms | server µs per job, oxherd / bullmq |');
  console.log('|---|---|---|---|---|---|---|---|');
  for (const concurrency of concurrencies) {
    const seen = { oxherd: {}, bullmq: {} };
    for (let round = 0; round < rounds; round++) {
      for (const [name, bench] of Object.entries(contestants)) {
        for (const line of bench(concurrency)) (seen[name][line.bench] ??= []).push(line);
      }
    }
    for (const bench of ['bulk_add', 'add', 'process', 'pickup']) {
      const of = (name, field) => median(seen[name][bench].map((line) => line[field]));
      const cells = [
        bench, concurrency, Math.round(of('oxherd', 'per_second')), Math.round(of('bullmq', 'per_second')),
        (of('oxherd', 'per_second') / of('bullmq', 'per_second')).toFixed(2),
        `${of('oxherd', 'p50_ms')} / ${of('oxherd', 'p99_ms')}`, `${of('bullmq', 'p50_ms')} / ${of('bullmq', 'p99_ms')}`,
        `${of('oxherd', 'server_us_per_job')} / ${of('bullmq', 'server_us_per_job')}`,
      ];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
} finally {
  redis.kill();
  rmSync(directory, { recursive: true, force: true });
}
