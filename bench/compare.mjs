// Oxherd beside npm bullmq on one Redis in one run: rounds in turn, medians, and the ratio. Absolute figures depend on
// the machine and its hour; the ratio is what to quote.
// usage: node bench/compare.mjs [--jobs 20000] [--rounds 5] [--concurrency 1,100,200]
// Needs redis-server, `cargo build --release`, and `npm ci --prefix tests/interop/node`.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, freePort, jsonLines, median, option, run } from './shared.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const jobs = option('jobs', '20000');
const rounds = Number(option('rounds', '5'));
const concurrencies = option('concurrency', '1,100,200').split(',');

const port = await freePort();
const directory = mkdtempSync(join(tmpdir(), 'oxherd-bench-'));
const redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory], { stdio: 'ignore' });
const url = `redis://127.0.0.1:${port}`;

const figures = (command, args) => jsonLines(run(command, args));
const contestants = {
  oxherd: (c) => figures(join(here, '../target/release/oxherd'), ['bench', 'queue', '--store', url, '--jobs', jobs, '--concurrency', c, '--output', 'json', '--server-stats']),
  bullmq: (c) => figures('node', [join(here, 'peers/bullmq.mjs'), url, jobs, c]),
};

try {
  await answers(port);
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
