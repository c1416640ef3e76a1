// The chapters of the tour, the long ones first.

import * as adding from './chapters/adding.mjs';
import * as attempts from './chapters/attempts.mjs';
import * as cleaning from './chapters/cleaning.mjs';
import * as connections from './chapters/connections.mjs';
import * as deduplication from './chapters/deduplication.mjs';
import * as events from './chapters/events.mjs';
import * as failing from './chapters/failing.mjs';
import * as flows from './chapters/flows.mjs';
import * as getters from './chapters/getters.mjs';
import * as jobs from './chapters/jobs.mjs';
import * as keeping from './chapters/keeping.mjs';
import * as limits from './chapters/limits.mjs';
import * as manual from './chapters/manual.mjs';
import * as moving from './chapters/moving.mjs';
import * as parents from './chapters/parents.mjs';
import * as pausing from './chapters/pausing.mjs';
import * as relay from './chapters/relay.mjs';
import * as repeating from './chapters/repeating.mjs';
import * as sandbox from './chapters/sandbox.mjs';
import * as schedulers from './chapters/schedulers.mjs';
import * as stalls from './chapters/stalls.mjs';
import * as volume from './chapters/volume.mjs';
import * as workers from './chapters/workers.mjs';

const all = {
  volume,
  stalls,
  sandbox,
  limits,
  workers,
  schedulers,
  repeating,
  attempts,
  deduplication,
  flows,
  failing,
  parents,
  keeping,
  events,
  pausing,
  manual,
  moving,
  cleaning,
  adding,
  jobs,
  getters,
  connections,
  relay,
};

export const chapters = Object.entries(all).map(([title, { play }]) => ({ title, play }));
