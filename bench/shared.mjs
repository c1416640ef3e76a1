// What the scripts of this folder have in common: their options, programs they run, ports, medians.
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';

/** What stands behind `--name`. */
export function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
}

/** What a program prints; one that fails ends this one with what it said. */
export const run = (command, args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 24 }).trim();
export const jsonLines = (text) => text.split('\n').map((line) => JSON.parse(line));
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const freePort = () => new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

/** Waits until a server answers PING (one that is still loading does not), for a minute at most. */
export async function answers(port) {
  for (const until = Date.now() + 60_000; ;) {
    try {
      const answer = execFileSync('redis-cli', ['-p', String(port), 'ping'], { encoding: 'utf8', stdio: 'pipe' });
      if (answer.trim() === 'PONG') return;
    } catch { /* It does not listen yet. */ }
    if (Date.now() > until) throw new Error(`nothing answers on port ${port}`);
    await pause(20);
  }
}
