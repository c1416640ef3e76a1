// Commands on flows: trees of jobs in which a parent waits for its children.
//
// `flow.add` takes "flow", BullMQ's FlowJob: {name, queueName, data, opts, children: […]}.

import { need } from '../resources.mjs';
import { snapshot } from './job.mjs';

export const operations = {
  'flow.add': async (command, resources) => {
    const producer = await resources.flowProducer(command);
    return tree(await producer.add(need(command, 'flow')));
  },
  'flow.get': async (command, resources) => {
    const producer = await resources.flowProducer(command);
    const [id, queueName] = [need(command, 'job'), need(command, 'queue')];
    const found = await producer.getFlow({ id, queueName, prefix: command.prefix });
    return found?.job ? tree(found) : null;
  },
};

function tree({ job, children = [] }) {
  return { queue: job.queueName, ...snapshot(job), children: children.map(tree) };
}
