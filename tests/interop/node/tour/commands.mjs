// Which commands a server was asked for, one a line with the number of calls, scripts' commands included.
//
//   REDIS_URL=redis://host:port node tour/commands.mjs

import { Redis } from 'ioredis';

const client = new Redis(process.env.REDIS_URL);
const stats = await client.info('commandstats');
for (const [, name, calls] of stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
  process.stdout.write(`${name.replace('|', ' ').toUpperCase()} ${calls}\n`);
}
client.disconnect();
