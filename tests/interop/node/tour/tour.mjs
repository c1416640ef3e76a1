// A tour of everything npm bullmq offers, as one JSON document of what was observed.
//
//   REDIS_URL=redis://host:port node tour/tour.mjs <bullmq | bullmq-5> [chapter …]
//
// Two servers that behave alike give the same document: whatever differs from run to run (times, tokens, generated
// ids) is named instead of shown, and orders are settled by waiting for what has happened, never by sleeping. A chapter
// that fails says so in its place and the others go on. The server's database should be empty and used by nobody else.
// Next: stage.mjs (what a chapter works with), chapters/ (one topic each), normal.mjs (what is not shown).

import { createRequire } from 'node:module';
import { Console } from 'node:console';

import { chapters } from './chapters.mjs';
import { Stage } from './stage.mjs';

/** How long a chapter may take on a busy machine before it counts as hung. */
const DEADLINE_MS = 60_000;
/** Chapters mostly wait for short times to pass; each has keys of its own, so some can do that side by side. */
const AT_ONCE = 4;

// Stdout belongs to the document; a library that prints must not break it.
globalThis.console = new Console(process.stderr, process.stderr);

const url = process.env.REDIS_URL;
const [name, ...wanted] = process.argv.slice(2);
if (!url || !name) {
  console.error('usage: REDIS_URL=redis://host:port node tour/tour.mjs <bullmq | bullmq-5> [chapter …]');
  process.exit(2);
}

// What a library does behind a chapter's back (a reply after its deadline, say) must not end the tour.
process.on('unhandledRejection', (error) => console.error('stray rejection:', error));
process.on('uncaughtException', (error) => console.error('stray exception:', error));

const require = createRequire(import.meta.url);
const bullmq = require(name);
const { version } = require(`${name}/package.json`);

const chosen = chapters.filter(({ title }) => wanted.length === 0 || wanted.includes(title));
const told = {};
const queue = [...chosen];
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let chapter = queue.shift(); chapter; chapter = queue.shift()) {
      const began = Date.now();
      told[chapter.title] = await tell(chapter);
      console.error(`${chapter.title}: ${Date.now() - began} ms`);
    }
  }),
);
const inOrder = chosen.map(({ title }) => [title, told[title]]);
const document = { bullmq: version, chapters: Object.fromEntries(inOrder) };
process.stdout.write(`${JSON.stringify(document, null, 1)}\n`, () => process.exit(0));

async function tell({ title, play }) {
  const stage = new Stage({ bullmq, name, version, url, chapter: title });
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  try {
    await Promise.race([play(stage), late]);
  } catch (error) {
    console.error(`${title}:`, error);
    stage.note('the chapter ends early', error);
  } finally {
    clearTimeout(timer);
    await stage.close();
  }
  return stage.notes;
}
