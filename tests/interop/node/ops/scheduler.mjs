// Commands on job schedulers: "scheduler" is its id, "repeat" BullMQ's RepeatOptions, "template" what each
// iteration looks like ({name, data, opts}).

import { need } from '../resources.mjs';
import { snapshot } from './job.mjs';

export const operations = {
  'scheduler.upsert': async (command, resources) => {
    const queue = await resources.queue(command);
    const [scheduler, repeat] = [need(command, 'scheduler'), need(command, 'repeat')];
    const next = await queue.upsertJobScheduler(scheduler, repeat, command.template);
    return next ? snapshot(next) : null;
  },
  'scheduler.get': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.getJobScheduler(need(command, 'scheduler'));
  },
  'scheduler.list': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.getJobSchedulers();
  },
  'scheduler.remove': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.removeJobScheduler(need(command, 'scheduler'));
  },
};
