/** What runs in each of {@link PictureThreads}: the whole work on pictures but the network itself, which the main thread runs. */
import { parentPort, workerData } from 'node:worker_threads';
import { GmtlError } from '../../engine/errors.ts';
import { errorOf, packError } from '../../engine/node/threadErrors.ts';
import { GivenNetwork } from './pictureNetwork.ts';
import { workOnPicture } from './pictureWork.ts';
import type { Ask, FromThread, ThreadSetup, ToThread } from './threadMessages.ts';

const port = parentPort;
if (port === null) throw new GmtlError('infer/threads', 'pictureThread runs in a thread of PictureThreads alone');
const { config, preparedAs, trainingSet, options } = workerData as ThreadSetup;
const send = (message: FromThread, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

const asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
let calls = 0;
function ask<Answer>(question: Ask, transfer: ArrayBuffer[] = []): Promise<Answer> {
  const call = calls++;
  return new Promise<unknown>((resolve, reject) => {
    asked.set(call, { resolve, reject });
    send({ kind: 'ask', call, question }, transfer);
  }) as Promise<Answer>;
}

const network = new GivenNetwork(config, { options: preparedAs }, trainingSet, (images, count, how) => {
  // A copy: the caller may use its own again.
  const own = images.slice();
  return ask({ what: 'predict', images: own, count, options: how }, [own.buffer]);
});

port.on('message', (message: ToThread) => {
  if (message.kind === 'look') {
    const { picture, input, keeps } = message;
    workOnPicture(network, input, options, (result) => ask({ what: 'adjust', result }), keeps).then(
      (done) => send({ kind: 'done', picture, done }),
      (error: unknown) => send({ kind: 'failed', picture, error: packError(error) }),
    );
    return;
  }
  const waiting = asked.get(message.call);
  asked.delete(message.call);
  if (message.kind === 'answer') waiting?.resolve(message.value);
  else waiting?.reject(errorOf(message.error));
});
